-- A protocol of one's own in ten lines: POST {"q": …}, answered by one JSON object {"a": …}.
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
