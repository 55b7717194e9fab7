-- OpenAI's chat/completions and completions, as OpenAI and the many servers like it speak them.
-- Which of the two is decided by the URL: …/chat/completions sends messages, any other
-- …/completions one prompt. --model-type Completion makes the one out of the other.
local json = require("json")
local log = require("log")

local api = {
    path = "/v1/chat/completions",
    framing = "sse",
    end_marker = "data: [DONE]",
    auth = "bearer",
}

---- requests ----

local function wants_prompt(url)
    local path = url:match("^[^?#]*"):gsub("/+$", "")
    return path:find("/completions$") and not path:find("/chat/completions$")
end

-- The text of a message: servers take and send a string or a list of parts.
local function text_of(content)
    if type(content) == "string" then
        return content
    end
    if type(content) ~= "table" then
        return nil
    end
    local parts = {}
    for _, part in ipairs(content) do
        if type(part) == "table" and type(part.text) == "string" then
            parts[#parts + 1] = part.text
        end
    end
    return table.concat(parts)
end

-- Messages are one text already when no chat template is to be applied.
local function prompt_of(messages)
    if type(messages) == "string" then
        return messages
    end
    local texts = {}
    for i, message in ipairs(messages) do
        texts[i] = text_of(message.content) or ""
    end
    return table.concat(texts, "\n")
end

-- Where the request goes.
local function url_of(opts)
    if opts.model_type ~= "Completion" then
        return opts.url
    end
    local path, query = opts.url:match("^([^?#]*)(.*)$")
    return path:gsub("/chat/completions(/*)$", "/completions%1") .. query
end

function api.build_request(messages, opts, ctx)
    local body = { model = ctx.prompt.model or opts.model }
    local url = url_of(opts)
    if wants_prompt(url) then
        body.prompt = prompt_of(messages)
    else
        body.messages = type(messages) == "string" and { { role = "user", content = messages } }
            or messages
    end
    if opts.stream then
        body.stream = true
        body.stream_options = { include_usage = true }
    end
    return body, url ~= opts.url and { url = url } or nil
end

---- events ----

local function object(value)
    return type(value) == "table" and value or {}
end

local function text(value)
    return type(value) == "string" and value ~= "" and value or nil
end

-- Servers send odd numbers too: what is no count that a number can hold exactly is as if absent.
local function count(value)
    local whole = type(value) == "number" and value >= 0 and value < 2 ^ 53 and value % 1 == 0
    return whole and value or nil
end

local CHOICES = 128 -- that the host keeps apart
local odd_index_told = false

-- An index out of the usual is told once; its text is counted to the first choice.
local function index_of(value)
    local index = count(value)
    if not index or index < CHOICES then
        return index
    end
    if not odd_index_told then
        odd_index_told = true
        log.warn("the server sent a choice %.0f, which is counted to the first choice", index)
    end
    return nil
end

local function usage_of(answer)
    local usage = answer.usage
    if type(usage) ~= "table" then
        return nil
    end
    return {
        prompt = count(usage.prompt_tokens),
        completion = count(usage.completion_tokens),
        cached = count(object(usage.prompt_tokens_details).cached_tokens),
        reasoning = count(object(usage.completion_tokens_details).reasoning_tokens),
    }
end

-- The server's words for what went wrong; a string in every case.
local function words_of(problem, data)
    if type(problem) == "table" then
        problem = problem.message or problem.code or problem.type
    end
    if type(problem) == "string" or type(problem) == "number" then
        return tostring(problem)
    end
    return data
end

local function error_of(answer, data)
    if answer.error then
        return words_of(answer.error, data)
    end
    if answer.object == "error" then
        return words_of(answer, data)
    end
    return nil
end

local function call_text(call)
    local named = object(object(call)["function"] or call)
    return (text(named.name) or "") .. (text(named.arguments) or "")
end

-- The pieces of all tool calls in one delta or message, joined.
local function tool_text(message)
    local pieces = {}
    for _, call in ipairs(object(message.tool_calls)) do
        pieces[#pieces + 1] = call_text(call)
    end
    if message.function_call then
        pieces[#pieces + 1] = call_text({ ["function"] = message.function_call })
    end
    return text(table.concat(pieces))
end

local function read_choice(choice)
    local message = object(choice.delta or choice.message)
    return {
        content = text(text_of(message.content)) or text(choice.text),
        reasoning = text(message.reasoning_content) or text(message.reasoning),
        refusal = text(message.refusal),
        tool = tool_text(message),
        finish = text(choice.finish_reason),
        index = index_of(choice.index),
    }
end

local function has_text(delta)
    return delta.content or delta.reasoning or delta.refusal or delta.tool
end

-- A chunk carries one choice as a rule, an answer that is not streamed all of them. Those without
-- anything to say are left out, but for one.
local function read_choices(choices)
    local first
    local deltas = {}
    for _, choice in ipairs(choices) do
        local delta = read_choice(object(choice))
        first = first or delta
        if has_text(delta) or delta.finish then
            delta.opening = not has_text(delta) or nil
            deltas[#deltas + 1] = delta
        end
    end
    if first and not deltas[1] then
        first.opening = true
        deltas[1] = first
    end
    return deltas
end

local function read_answer(answer, data)
    local problem = error_of(answer, data)
    if problem then
        return { error = problem }
    end
    local choices = answer.choices
    local usage = usage_of(answer)
    if type(choices) ~= "table" then
        return usage and { usage = usage } or nil
    end
    local deltas = read_choices(choices)
    if not deltas[1] then
        return usage and { usage = usage } or { opening = true }
    end
    deltas[1].usage = usage
    return deltas[2] and deltas or deltas[1]
end

function api.read_event(data, name, ctx)
    if data == "[DONE]" or data == '"[DONE]"' then
        return { done = true }
    end
    local answer = json.decode(data)
    if name == "error" then
        return { error = words_of(answer and object(answer).error or answer, data) }
    end
    if type(answer) ~= "table" then
        return nil
    end
    local delta = read_answer(answer, data)
    if not delta and name == "body" and ctx.status >= 400 then
        return { error = words_of(answer, data) }
    end
    return delta
end

---- tokens ----

-- Usage stands in one of the last events, in a chunk of its own or beside the last choice; some
-- servers send it in every chunk. A later one never takes away what an earlier one said.
function api.parse_responses(responses)
    local prompt, completion
    for i = #responses, 1, -1 do
        if responses[i]:find('"usage"', 1, true) then
            local answer = json.decode(responses[i])
            local usage = type(answer) == "table" and usage_of(answer) or {}
            prompt = prompt or usage.prompt
            completion = completion or usage.completion
            if prompt and completion then
                break
            end
        end
    end
    return prompt, completion
end

-- For the other scripts that stand beside this one.
api._object, api._text, api._count = object, text, count
api._prompt_of, api._words_of = prompt_of, words_of

return api
