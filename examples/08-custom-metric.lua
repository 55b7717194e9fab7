-- A metric of one's own: how long the longest pause between two events of an answer was, with the
-- statistics of any other in the table, the JSON report and the database.
-- llmbench -s examples/08-custom-metric.lua --url http://127.0.0.1:8000/v1/chat/completions
--     --model m --stream --prompt hello --number 50
local api = require "apis.openai"

api.metrics = { {
    name = "longest_pause",
    unit = "s",
    title = "Longest pause",
    formula = "the greatest time between an event with text and the next one",
    of = function(sample)
        local longest, last = nil, nil
        for _, event in ipairs(sample.events) do
            if event.kind == "c" then
                longest = last and math.max(longest or 0, event.time - last) or longest
                last = event.time
            end
        end
        return longest
    end,
} }

return api
