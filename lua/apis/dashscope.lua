-- DashScope's own text generation protocol (Qwen on Alibaba Cloud).
local json = require("json")
local openai = require("apis.openai")

local api = {
    path = "/api/v1/services/aigc/text-generation/generation",
    framing = "sse",
    ends = true, -- no end marker, but a finish reason
    auth = "bearer",
    params_at = "parameters",
}

local object, text, count = openai._object, openai._text, openai._count

---- requests ----

-- The documents of an older tool give this header as enable=True, which the service does not know.
function api.given_header(name, value)
    if name:lower() == "x-dashscope-sse" and value:lower():match("^enable%s*=%s*true$") then
        return "enable"
    end
end

function api.build_request(messages, opts, ctx)
    local input = type(messages) == "string" and { prompt = messages } or { messages = messages }
    local body = {
        model = ctx.prompt.model or opts.model,
        input = input,
        parameters = { result_format = "message" },
    }
    if not opts.stream then
        return body
    end
    body.parameters.incremental_output = true
    return body, { headers = { ["X-DashScope-SSE"] = "enable", Accept = "text/event-stream" } }
end

---- events ----

local function usage_of(usage)
    if type(usage) ~= "table" or next(usage) == nil then
        return nil -- {} in the first events
    end
    return {
        prompt = count(usage.input_tokens),
        completion = count(usage.output_tokens),
        cached = count(object(usage.prompt_tokens_details).cached_tokens),
        reasoning = count(object(usage.output_tokens_details).reasoning_tokens),
    }
end

-- Until the end the reason is the word "null".
local function finish_of(reason)
    return reason ~= "null" and text(reason) or nil
end

-- The two result formats: "message" has choices, "text" the text alone.
local function read_output(output)
    local choice = object(object(output.choices)[1])
    local message = object(choice.message)
    local content = message.content
    if type(content) == "table" then
        content = openai._prompt_of({ message })
    end
    return {
        content = text(content) or text(output.text),
        reasoning = text(message.reasoning_content),
        finish = finish_of(choice.finish_reason) or finish_of(output.finish_reason),
    }
end

-- Unless incremental_output was asked for, every event brings the whole text so far.
local function is_incremental(ctx)
    if ctx.incremental == nil then
        local parameters = object(object(json.decode(ctx.body)).parameters)
        ctx.incremental = parameters.incremental_output == true
    end
    return ctx.incremental
end

-- What is new in the text, and whether the server has rewritten what it sent before.
local function new_of(name, whole, ctx)
    local before = ctx[name] or ""
    if not whole then
        return nil, false
    end
    ctx[name] = whole
    return text(whole:sub(#before + 1)), whole:sub(1, #before) ~= before
end

local function keep_new(delta, ctx)
    local content, content_rewritten = new_of("content", delta.content, ctx)
    local reasoning, reasoning_rewritten = new_of("reasoning", delta.reasoning, ctx)
    if content_rewritten or reasoning_rewritten then
        delta.cumulative = true -- the whole texts replace the old ones
    else
        delta.content, delta.reasoning = content, reasoning
    end
end

-- Usage counts up, so that the difference is what this event carries.
local function tokens_of(usage, ctx)
    local now = usage and usage.completion
    local new = now and now - (ctx.completion or 0)
    ctx.completion = now or ctx.completion
    return new and new > 0 and new or nil
end

function api.read_event(data, name, ctx)
    local answer = json.decode(data)
    if name == "error" then
        return { error = openai._words_of(answer, data) }
    end
    if type(answer) ~= "table" then
        return nil
    end
    if type(answer.output) ~= "table" then
        local failed = answer.code or answer.message or ctx.status >= 400
        return failed and { error = openai._words_of(answer, data) } or nil
    end
    local delta = read_output(answer.output)
    delta.usage = usage_of(answer.usage)
    if name ~= "body" then
        delta.tokens = tokens_of(delta.usage, ctx)
        if not is_incremental(ctx) then
            keep_new(delta, ctx)
        end
    end
    delta.opening = not (delta.content or delta.reasoning) or nil
    return delta
end

---- tokens ----

-- Usage counts up from event to event: the last that has it is right.
function api.parse_responses(responses)
    for i = #responses, 1, -1 do
        local usage = usage_of(object(json.decode(responses[i])).usage)
        if usage then
            return usage.prompt, usage.completion
        end
    end
end

return api
