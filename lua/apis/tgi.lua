-- Hugging Face Text Generation Inference's own protocol: an event a token. --stream turns
-- …/generate into …/generate_stream.
local json = require("json")
local openai = require("apis.openai")

local api = {
    path = "/generate",
    framing = "sse",
    ends = true, -- no end marker, but the last event has the whole text
    params_at = "parameters",
    param_names = { max_tokens = "max_new_tokens" },
}

local object, text, count = openai._object, openai._text, openai._count

function api.build_request(messages, opts)
    local body = { inputs = openai._prompt_of(messages), parameters = { details = true } }
    local path, query = opts.url:match("^([^?#]*)(.*)")
    if opts.stream and path:find("/generate$") then
        return body, { url = path .. "_stream" .. query }
    end
    return body
end

-- The end: the whole text, with details if the server gives them.
local function finish_of(answer)
    local reason = text(object(answer.details).finish_reason)
    return reason or type(answer.generated_text) == "string" and "stop" or nil
end

local function usage_of(answer)
    local generated = count(object(answer.details).generated_tokens)
    return generated and { completion = generated }
end

local function read_token(answer)
    local token = answer.token
    local content = token.special ~= true and text(token.text) or nil
    return {
        content = content,
        opening = not content or nil,
        tokens = 1,
        finish = finish_of(answer),
        usage = usage_of(answer),
    }
end

local function read_whole(answer)
    return {
        content = text(answer.generated_text),
        opening = not text(answer.generated_text) or nil,
        finish = finish_of(answer),
        usage = usage_of(answer),
    }
end

function api.read_event(data, _, ctx)
    local answer = json.decode(data)
    if type(answer) ~= "table" then
        return nil
    end
    answer = object(answer[1] or answer) -- some versions answer with a list of one
    if answer.error or ctx.status >= 400 then
        return { error = openai._words_of(answer.error or answer, data) }
    end
    if type(answer.token) == "table" then
        return read_token(answer)
    end
    return type(answer.generated_text) == "string" and read_whole(answer) or nil
end

-- The server's own count, or an event a token, special ones included.
function api.parse_responses(responses)
    local tokens = 0
    for _, response in ipairs(responses) do
        local answer = object(json.decode(response))
        answer = object(answer[1] or answer)
        local usage = usage_of(answer)
        if usage then
            return nil, usage.completion
        end
        tokens = tokens + (type(answer.token) == "table" and 1 or 0)
    end
    return nil, tokens > 0 and tokens or nil
end

return api
