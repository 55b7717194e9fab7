-- A protocol of one's own in ten lines: POST {"q": …}, answered by one JSON object {"a": …}.
-- llmbench -s examples/01-custom-protocol.lua --url http://127.0.0.1:9000
--     --prompt hello --number 100
local json = require "json"
local api = { path = "/ask" }
function api.build_request(messages)
    return { q = messages[#messages].content }
end
function api.read_event(data)
    local answer = json.decode(data)
    return answer and { content = answer.a, error = answer.error }
end
function api.parse_responses() return nil, nil end -- nil: this server counts no tokens
return api
