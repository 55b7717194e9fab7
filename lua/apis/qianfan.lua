-- Baidu Qianfan (ERNIE). A URL with /v2/ speaks OpenAI's protocol with a bearer key; any other the
-- first version, whose access token is fetched with the two keys when the run starts and renewed
-- before it expires. Keys: --api-key "ACCESS:SECRET", or QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY.
local http = require("http")
local json = require("json")
local openai = require("apis.openai")

local DAY = 86400

local api = {
    path = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat",
    framing = "sse",
    end_marker = "data: [DONE]", -- of the second version; the first ends with is_end
    auth = "none", -- the key becomes a token, or a header below
    refresh_every = 0, -- set when there is a token that expires
    param_names = { max_tokens = "max_output_tokens", repetition_penalty = "penalty_score" },
}

local object, text, count = openai._object, openai._text, openai._count

local function is_second(url)
    return url:match("^[^?#]*"):find("/v2/", 1, true) ~= nil
end

---- the access token ----

local function keys_of(opts)
    if opts.api_key then
        local access, signer = opts.api_key:match("^([^:]+):(.+)$")
        if not access then
            error('--api-key must be "ACCESS:SECRET" for the first version of Qianfan', 0)
        end
        return access, signer
    end
    return os.getenv("QIANFAN_ACCESS_KEY"), os.getenv("QIANFAN_SECRET_KEY")
end

local function fetch_token(url, access, signer)
    secret(access)
    secret(signer)
    local answer, problem = http.post(
        url:match("^%w+://[^/?#]+")
            .. "/oauth/2.0/token?grant_type=client_credentials&client_id="
            .. http.escape(access)
            .. "&client_secret="
            .. http.escape(signer)
    )
    if not answer then
        error("the access token cannot be fetched: " .. problem, 0)
    end
    local said = object(json.decode(answer.body))
    if answer.status ~= 200 or type(said.access_token) ~= "string" then
        local words = said.error_description or said.error_msg or said.error or answer.body
        local shown = tostring(words):sub(1, 200)
        error(("the access token is refused: HTTP %d: %s"):format(answer.status, shown), 0)
    end
    return secret(said.access_token), tonumber(said.expires_in) or 30 * DAY
end

-- Without keys requests go out as they are: the URL may hold a token of its own.
function api.setup(opts)
    local url = opts.url
    if is_second(url) then
        api.param_names = nil
        return { second = true, key = opts.api_key }
    end
    local access, signer = keys_of(opts)
    if not access or not signer or url:find("[?&]access_token=") then
        return {}
    end
    local token, seconds = fetch_token(url, access, signer)
    api.refresh_every = math.max(1, math.min(seconds / 2, DAY))
    return { token = token }
end

function api.refresh(_, opts)
    return api.setup(opts)
end

---- requests ----

-- The model is part of the path unless the URL names one already.
local function target_of(opts, model, token)
    local path, query = opts.url:match("^([^?#]*)%??([^#]*)")
    path = path:gsub("/+$", "")
    if opts.model_type == "Completion" then
        path = path:gsub("/chat$", "/completions")
    end
    if model and (path:find("/chat$") or path:find("/completions$")) then
        path = path .. "/" .. http.escape(model)
    end
    if token then
        query = query .. (query ~= "" and "&" or "") .. "access_token=" .. http.escape(token)
    end
    return path .. (query ~= "" and "?" .. query or ""), path:find("/completions/") ~= nil
end

local function build_second(messages, opts, ctx)
    local key = ctx.setup.key
    local body, target = openai.build_request(messages, opts, ctx)
    target = target or {}
    target.headers = key and { Authorization = "Bearer " .. key }
    return body, target
end

function api.build_request(messages, opts, ctx)
    if ctx.setup.second then
        return build_second(messages, opts, ctx)
    end
    local model = ctx.prompt.model or opts.model or opts.endpoint
    local url, wants_prompt = target_of(opts, model, ctx.setup.token)
    local body = { stream = opts.stream or nil }
    if wants_prompt then
        body.prompt = openai._prompt_of(messages)
    else
        body.messages = type(messages) == "string" and { { role = "user", content = messages } }
            or messages
    end
    return body, { url = url }
end

---- events ----

local function finish_of(answer)
    if answer.is_truncated == true then
        return "length"
    end
    return text(answer.finish_reason) or answer.is_end == true and "stop" or nil
end

-- Completion tokens are 0 until the last sentence, so that only its count is one.
local function usage_of(answer, last)
    local usage = answer.usage
    if type(usage) ~= "table" then
        return nil
    end
    return {
        prompt = count(usage.prompt_tokens),
        completion = last and count(usage.completion_tokens) or nil,
    }
end

-- With HTTP 200 as well, and in the midst of a stream as a bare line of JSON.
local function error_of(answer)
    if answer.error_code or answer.error_msg then
        return ("%s: %s"):format(tostring(answer.error_code), tostring(answer.error_msg))
    end
end

function api.read_event(data, name, ctx)
    if ctx.setup and ctx.setup.second then
        return openai.read_event(data, name, ctx)
    end
    local answer = json.decode(data)
    if type(answer) ~= "table" then
        return nil
    end
    local problem = error_of(answer)
    if problem then
        return { error = problem }
    end
    if type(answer.result) ~= "string" then
        return openai.read_event(data, name, ctx)
    end
    local whole = name == "body"
    local delta = {
        content = text(answer.result),
        finish = finish_of(answer) or whole and "stop" or nil,
        usage = usage_of(answer, whole or answer.is_end == true),
    }
    delta.opening = not delta.content or nil
    return delta
end

function api.parse_responses(responses, request, ctx)
    if ctx.setup and ctx.setup.second then
        return openai.parse_responses(responses, request, ctx)
    end
    local last = object(json.decode(responses[#responses] or ""))
    local usage = object(usage_of(last, true))
    return usage.prompt, usage.completion
end

return api
