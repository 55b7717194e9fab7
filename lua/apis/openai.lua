-- OpenAI's chat/completions and completions, as OpenAI and the many servers like it speak them.
-- Which of the two is decided by the URL: …/chat/completions sends messages, any other
-- …/completions one prompt.
local json = require("json")

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

local function prompt_of(messages)
    local texts = {}
    for i, message in ipairs(messages) do
        texts[i] = text_of(message.content) or ""
    end
    return table.concat(texts, "\n")
end

function api.build_request(messages, opts, ctx)
    local body = { model = ctx.prompt.model or opts.model }
    if wants_prompt(opts.url) then
        body.prompt = prompt_of(messages)
    else
        body.messages = messages
    end
    if opts.stream then
        body.stream = true
        body.stream_options = { include_usage = true }
    end
    return body
end

---- events ----

local function object(value)
    return type(value) == "table" and value or {}
end

local function text(value)
    return type(value) == "string" and value ~= "" and value or nil
end

local function count(value)
    return type(value) == "number" and value >= 0 and value % 1 == 0 and value or nil
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
        index = count(choice.index),
    }
end

local function has_text(delta)
    return delta.content or delta.reasoning or delta.refusal or delta.tool
end

-- A chunk carries one choice as a rule; of several the first with text is taken.
local function first_choice(choices)
    local first
    for _, choice in ipairs(choices) do
        local delta = read_choice(object(choice))
        if has_text(delta) then
            return delta
        end
        first = first or delta
    end
    return first
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
    local delta = first_choice(choices)
    if not delta then
        return usage and { usage = usage } or { opening = true }
    end
    delta.usage = usage
    delta.opening = not has_text(delta) or nil
    return delta
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

return api
