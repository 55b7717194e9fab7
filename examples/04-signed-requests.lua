-- Each request signed: HMAC-SHA-256 over time and body, with --api-key, which is never sent itself.
-- llmbench -s examples/04-signed-requests.lua --url http://127.0.0.1:9000/v1/chat/completions
--     --model m --api-key YOUR_SECRET --prompt hello --number 20
local json, crypto, time = require "json", require "crypto", require "time"
local api = require "apis.openai"
local build = api.build_request
api.auth = "none"

function api.build_request(messages, opts, ctx)
    -- as text, so that nothing is added to what has been signed
    local body = json.encode(build(messages, opts, ctx))
    local now = time.iso8601()
    local signature = crypto.hex(crypto.hmac_sha256(opts.api_key, now .. "\n" .. body))
    return body, { headers = { ["X-Timestamp"] = now, ["X-Signature"] = signature } }
end

return api
