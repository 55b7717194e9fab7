-- Anthropic's Messages: named events, the system's words and the key in places of their own.
-- llmbench -s examples/03-anthropic-messages.lua --url http://127.0.0.1:8000 --model claude
--     --api-key YOUR_KEY --prompt "Say hello." --max-tokens 200 --number 20 --parallel 2
local json = require "json"
local api = { path = "/v1/messages", auth = "x-api-key", framing = "sse" }

function api.build_request(messages, opts)
    local body = { model = opts.model, messages = {}, stream = true, max_tokens = 1024 }
    for _, message in ipairs(messages) do
        local is_system = message.role == "system"
        body.system = is_system and message.content or body.system
        body.messages[#body.messages + 1] = not is_system and message or nil
    end
    return body, { headers = { ["anthropic-version"] = "2023-06-01" } }
end

function api.read_event(data, name)
    local event = json.decode(data)
    if name == "message_start" then
        return { opening = true, usage = { prompt = event.message.usage.input_tokens } }
    elseif name == "message_delta" then
        local usage = { completion = event.usage.output_tokens }
        return { finish = event.delta.stop_reason, usage = usage }
    end
    return { content = event.delta and event.delta.text, done = name == "message_stop",
        error = event.error and event.error.message }
end
function api.parse_responses() return nil, nil end
return api
