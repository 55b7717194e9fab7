-- Runs driven from Lua for llmbench: from top to bottom, on the main thread. `llmbench --help=lua`
-- lists every function of bench; the modules json, http, dataset and so on are there too.
--
--   llmbench experiment NAME.lua --url http://127.0.0.1:8000 --model m --prompt hello --stream
--   llmbench experiment NAME.lua --help         the options below among those of every run
local bench = require("bench")

-- 1. Once, before the first run: options of your own. What comes back holds all options of the
-- command line, with '_' for '-'; nil when not given.
local opts = bench.options({
    { name = "levels", type = "integers", default = "1,2,4", min = 1, help = "the loads to run" },
})

-- 2. Each run is a stage of one database. The options here, named as on the command line, go before
-- those given there. report = "none" leaves its report out, quiet = true the progress too.
local rows = {}
for _, parallel in ipairs(opts.levels) do
    local r = bench.run({ parallel = parallel, number = opts.number or 20, report = "none" })

    -- 3. What was measured: r.ok, r.failed, r.metrics.ttft.p99, r.verdict.sound and so on, times in
    -- seconds. bench.value looks one up by name and is nil where there is none.
    rows[#rows + 1] = {
        parallel = parallel,
        ok = r.ok,
        failed = r.failed,
        rate = bench.value(r, "request_throughput"),
        ttft = bench.value(r, "ttft.p50"),
        verdict = r.verdict.sound and "sound" or r.verdict.reasons[1],
    }
    if r.interrupted then -- Ctrl-C: what is left would be an error
        break
    end
end

-- 4. A table on standard output: names of columns, or {name, title, format}. bench.save writes a
-- file: CSV when its name ends so, else JSON.
bench.table(rows, {
    "parallel",
    "ok",
    "failed",
    { "rate", "req/s", "%.2f" },
    { "ttft", "TTFT p50", "%.3f" },
    "verdict",
})
-- bench.save("NAME.csv", rows)
