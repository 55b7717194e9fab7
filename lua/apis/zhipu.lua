-- Zhipu (GLM): OpenAI's chat with keys of its own. A key "id.secret" signs a token that lives for
-- an hour and is renewed while the run lasts; any other key travels as it is.
local crypto = require("crypto")
local openai = require("apis.openai")
local time = require("time")

local TOKEN_SECONDS = 3600

local api = {
    path = "/api/paas/v4/chat/completions",
    framing = "sse",
    end_marker = "data: [DONE]",
    auth = "none", -- the header is made below
    refresh_every = TOKEN_SECONDS / 2,
    read_event = openai.read_event,
    parse_responses = openai.parse_responses,
}

local function token_of(key)
    local id, signer = key:match("^([^.]+)%.([^.]+)$")
    if not id then
        return key
    end
    local now_ms = math.floor(time.now() * 1000)
    secret(signer)
    return secret(crypto.jwt_hs256({ alg = "HS256", sign_type = "SIGN" }, {
        api_key = id,
        exp = now_ms + TOKEN_SECONDS * 1000,
        timestamp = now_ms,
    }, signer))
end

function api.setup(opts)
    return { token = opts.api_key and token_of(opts.api_key) }
end

function api.refresh(_, opts)
    return api.setup(opts)
end

function api.build_request(messages, opts, ctx)
    local body = openai.build_request(messages, opts, ctx)
    body.stream_options = nil -- usage comes unasked, in the last chunk
    local token = ctx.setup.token
    return body, { headers = token and { Authorization = "Bearer " .. token } }
end

return api
