-- TensorRT-LLM behind Triton's generate extension: one text in, pieces of text out. It counts no
-- tokens and says no end. --stream turns …/generate into …/generate_stream.
local json = require("json")
local openai = require("apis.openai")

local api = {
    path = "/v2/models/ensemble/generate",
    framing = "sse",
    -- the inputs of TensorRT-LLM's ensemble model
    param_names = {
        stop = "stop_words",
        seed = "random_seed",
        logprobs = "return_log_probs",
    },
}

local text = openai._text

function api.build_request(messages, opts)
    local body = { text_input = openai._prompt_of(messages), stream = opts.stream or nil }
    local path, query = opts.url:match("^([^?#]*)(.*)")
    if opts.stream and path:find("/generate$") then
        return body, { url = path .. "_stream" .. query }
    end
    return body
end

function api.read_event(data, _, ctx)
    local answer = json.decode(data)
    if type(answer) ~= "table" then
        return nil
    end
    if answer.error or ctx.status >= 400 then
        return { error = openai._words_of(answer.error or answer, data) }
    end
    if type(answer.text_output) ~= "string" then
        return nil
    end
    local content = text(answer.text_output)
    return { content = content, opening = not content or nil }
end

function api.parse_responses()
    return nil, nil
end

return api
