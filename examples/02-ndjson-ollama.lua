-- Ollama's own API: lines of JSON, the last of which counts the tokens.
-- llmbench -s examples/02-ndjson-ollama.lua --url http://127.0.0.1:11434 --model llama3.2
--     --prompt "Why is the sky blue?" --max-tokens 100 --number 20 --parallel 2
local json = require "json"
local api = { path = "/api/chat", framing = "ndjson" }
api.params_at = "options"
api.param_names = { max_tokens = "num_predict" }

function api.build_request(messages, opts)
    return { model = opts.model, messages = messages, stream = true }
end

function api.read_event(data)
    local line = json.decode(data)
    if not line or line.error then
        return line and { error = line.error }
    elseif line.done then
        local usage = { prompt = line.prompt_eval_count, completion = line.eval_count }
        return { done = true, finish = line.done_reason, usage = usage }
    end
    return { content = line.message.content }
end

function api.parse_responses() return nil, nil end -- the last line has said it
return api
