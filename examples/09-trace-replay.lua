-- A trace replayed in its own time, in the format of Azure's published LLM traces: when each
-- request came, and how many tokens went in and out.
-- llmbench --dataset examples/09-trace-replay.lua --dataset-path trace.csv --arrival trace
--     --url http://127.0.0.1:8000/v1/chat/completions --model m --stream
local dataset = require "dataset"

local function seconds(stamp) -- "2023-11-16 18:15:46.6805900"
    local y, m, d, hour, min, sec = stamp:match("^(%d+)-(%d+)-(%d+) (%d+):(%d+):([%d.]+)$")
    local whole = { year = y, month = m, day = d, hour = hour, min = min, sec = 0, isdst = false }
    return os.time(whole) + sec
end

return {
    build_messages = function(opts)
        local rows, first = dataset.csv(opts.dataset_path), nil
        return function()
            local row = rows()
            if row then
                local at = seconds(row.TIMESTAMP)
                first = first or at
                return { prompt = ("word "):rep(tonumber(row.ContextTokens)), at = at - first,
                    max_tokens = tonumber(row.GeneratedTokens) }
            end
        end
    end,
}
