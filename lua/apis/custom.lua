-- A protocol of one's own, hook by hook: copy this file and change what differs. As it stands it
-- sends messages or, without a chat template, `input_text`, and reads answers of OpenAI's shape.
local json = require("json")

local api = {
    path = "/v1/chat/completions", -- when --url names only a host
    framing = "sse", -- when the answer's Content-Type is unknown
    end_marker = "data: [DONE]",
    auth = "bearer", -- Authorization: Bearer API_KEY
}

-- The body. Sampling options, --parameters and --extra-args are put into it afterwards and win. A
-- second result may give url, method and headers for this request.
function api.build_request(messages, opts, ctx)
    local body = { model = ctx.prompt.model or opts.model }
    if type(messages) == "string" then
        body.input_text = messages
    else
        body.messages = messages
    end
    if opts.stream then
        body.stream = true
        body.stream_options = { include_usage = true }
    end
    return body
end

-- Servers send odd things: what is not of the expected type counts as absent.
local function string_of(value)
    return type(value) == "string" and value ~= "" and value or nil
end

local function table_of(value)
    return type(value) == "table" and value or {}
end

local function count_of(value)
    local whole = type(value) == "number" and value >= 0 and value < 2 ^ 53 and value % 1 == 0
    return whole and value or nil
end

local function usage_of(answer)
    local usage = table_of(answer.usage)
    local prompt, completion = usage.prompt_tokens, usage.completion_tokens
    return { prompt = count_of(prompt), completion = count_of(completion) }
end

-- The words of a failure: message of an error object, or all of it.
local function problem_of(answer, data)
    local problem = type(answer) == "table" and (answer.error or answer.message) or data
    if type(problem) == "table" then
        problem = problem.message or data
    end
    return tostring(problem)
end

-- One event of a streamed answer, or the body of one that was not streamed (name "body").
function api.read_event(data, name, ctx)
    if data == "[DONE]" then
        return { done = true }
    elseif name == "line" then
        return nil -- only data lines count
    end
    local answer = json.decode(data)
    if ctx.status >= 400 or type(answer) == "table" and answer.error then
        return { error = problem_of(answer, data) }
    elseif type(answer) ~= "table" then
        return { error = "parse failed: " .. data:sub(1, 200) }
    end
    local choice = table_of(table_of(answer.choices)[1])
    local message = table_of(choice.delta or choice.message)
    local delta = {
        content = string_of(message.content) or string_of(choice.text),
        finish = string_of(choice.finish_reason),
        usage = answer.usage and usage_of(answer),
    }
    delta.opening = not delta.content or nil
    return delta
end

-- Prompt and completion tokens: the usage of the last response. nil = not known here; then the
-- tokenizer counts, or the events.
function api.parse_responses(responses)
    local usage = usage_of(table_of(json.decode(responses[#responses] or "")))
    return usage.prompt, usage.completion
end

return api
