-- An experiment: more and more requests at once, until that brings less than a tenth more tokens.
-- llmbench experiment examples/11-experiment.lua --url http://127.0.0.1:8000/v1/chat/completions
--     --model m --stream
local bench = require "bench"
local rows, best = {}, 0
for step = 0, 8 do
    local r = bench.run { parallel = 2 ^ step, number = 40 + 4 * 2 ^ step, report = "none" }
    local tokens = bench.value(r, "output_throughput")
    table.insert(rows, { parallel = 2 ^ step, tokens = tokens, ttft = r.metrics.ttft.p50 })
    if not tokens or tokens < 1.1 * best then
        break
    end
    best = tokens
end
bench.table(rows, { "parallel", { "tokens", "tokens/s", "%.1f" }, { "ttft", "TTFT", "%.3f" } })
bench.save("levels.csv", rows)
