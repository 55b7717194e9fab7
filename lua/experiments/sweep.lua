-- One run a load, and a table of them: where does more load stop to bring more throughput?
--   llmbench experiment sweep --url … --model … --stream --levels 1,2,4,8,16
--   llmbench experiment sweep --url … --model … --stream --by rate --levels 1,2,4 -d 60s
local bench = require("bench")

local opts = bench.options({
    {
        name = "levels",
        type = "numbers",
        default = "1,2,4,8",
        help = "the loads, one run each",
        min = 0.001,
        max = 1000000,
    },
    {
        name = "by",
        choices = "parallel rate",
        default = "parallel",
        help = "what a load is: requests in flight, or arrivals a second",
    },
})

-- Without an end of its own, each run has a hundred requests: once over the data would begin the
-- data anew, and a prefix cache would know the prompts.
local number = not (opts.number or opts.duration) and 100 or nil

local rows = {}
for _, level in ipairs(opts.levels) do
    local r = bench.run({ [opts.by] = level, number = number, report = "none" })
    rows[#rows + 1] = {
        level = level,
        ok = r.ok,
        failed = r.failed,
        rate = bench.value(r, "request_throughput"),
        tokens = bench.value(r, "output_throughput"),
        ttft50 = bench.value(r, "ttft.p50"),
        ttft99 = bench.value(r, "ttft.p99"),
        tpot50 = bench.value(r, "tpot.p50"),
        latency99 = bench.value(r, "latency.p99"),
        verdict = r.verdict.sound and "sound" or r.verdict.reasons[1],
    }
    if r.interrupted then
        break
    end
end

bench.table(rows, {
    { "level", opts.by },
    "ok",
    "failed",
    { "rate", "req/s", "%.2f" },
    { "tokens", "tok/s", "%.1f" },
    { "ttft50", "TTFT p50" },
    { "ttft99", "TTFT p99" },
    { "tpot50", "TPOT p50" },
    { "latency99", "latency p99" },
    "verdict",
})
