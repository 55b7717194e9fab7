-- A protocol for llmbench; what stands here is that of OpenAI-compatible servers. Change it into
-- what your server speaks. `llmbench --help=lua` lists every field, hook and function.
--
--   llmbench try -s NAME.lua --model m --prompt hello    what would be sent; nothing is
--   llmbench try -s NAME.lua --replay answer.txt         what it reads in a recorded answer
--   llmbench -s NAME.lua --url http://127.0.0.1:8000 --model m --prompt hello --number 20
local json = require("json")

-- 1. Loaded, once for each thread that builds requests or reads answers. Names of your own begin
-- with _, other unknown names are errors.
local api = {
    path = "/v1/chat/completions", -- appended to a --url that is only a host
    framing = "sse", -- how answers are cut if their Content-Type does not say: sse, ndjson or body
    end_marker = "data: [DONE]", -- an answer that ends with it is complete; leave out without one
    ends = true, -- a stream that showed neither done nor finish is truncated, not ok
    auth = "bearer", -- how --api-key travels: "bearer", "none" or the name of a header
}

-- 2. Once, before anything is sent: may call http, returns plain data that is ctx.setup below.
-- Leave out what you do not need.
function api.setup(opts)
    return { label = "NAME-" .. (opts.model or "") }
end

-- 3. For each request, ahead of its time. messages is a list of {role =, content =}, opts holds the
-- options (opts.max_tokens; nil when not given), ctx.prompt the item of the data set. A table
-- becomes JSON with --temperature, --max-tokens and so on merged into it; a string goes as it is.
function api.build_request(messages, opts, ctx)
    local body = {
        model = opts.model,
        messages = messages,
        stream = true, -- or opts.stream, which --stream sets; no option adds it
        stream_options = { include_usage = true },
    }
    return body, { headers = { ["X-Request-Id"] = ctx.setup.label .. "-" .. ctx.index } }
end

-- 4. For each event of an answer, in order, after it has ended. data is the event's payload, name
-- that of a server-sent event or "body" for an answer that was not streamed. Returns what it
-- carries; nil says that it was not understood. ctx may keep fields of your own between events.
function api.read_event(data, _name, _ctx)
    if data == "[DONE]" then
        return { done = true }
    end
    local event = json.decode(data)
    if type(event) ~= "table" then
        return nil
    elseif event.error then
        return { error = json.encode(event.error) }
    end
    local choice, usage = (event.choices or {})[1] or {}, event.usage
    return {
        content = (choice.delta or choice.message or {}).content,
        finish = choice.finish_reason,
        usage = usage and { prompt = usage.prompt_tokens, completion = usage.completion_tokens },
    }
end

-- 5. For each complete answer: prompt and completion tokens where the events did not say; nil is
-- unknown.
function api.parse_responses(_responses, _request, _ctx)
    return nil, nil
end

return api
