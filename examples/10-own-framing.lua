-- Framing of one's own: each event is a length of four bytes, the highest first, and so much JSON.
-- llmbench -s examples/10-own-framing.lua --url http://127.0.0.1:9000 --prompt hello --number 20
local json = require "json"
local api = { path = "/generate" }

function api.build_request(messages)
    return { text = messages[#messages].content }
end

function api.frame(bytes, pos)
    if pos + 3 > #bytes then
        return nil -- no whole length is left
    end
    local a, b, c, d = bytes:byte(pos, pos + 3)
    local last = pos + 3 + ((a * 256 + b) * 256 + c) * 256 + d
    if last <= #bytes then
        return pos + 4, last, last + 1
    end
end

function api.read_event(data)
    local event = json.decode(data)
    return event and { content = event.piece, done = event.last, tokens = event.piece and 1 }
end

function api.parse_responses() return nil, nil end
return api
