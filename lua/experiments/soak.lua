-- The same load slice after slice until too much fails or the time is over.
--   llmbench experiment soak --url … --model … --stream -c 16 --total 8h --failing 1%
local bench = require("bench")
local time = require("time")

local opts = bench.options({
    { name = "slice", type = "duration", default = "60s", min = 0.1, help = "time of a slice" },
    { name = "total", type = "duration", default = "1h", min = 0.1, help = "time of all of them" },
    { name = "failing", type = "share", default = "1%", help = "ends when more than this fails" },
})

local began, ended, rows = time.monotonic(), nil, {}
while not ended do
    local r = bench.run({ duration = opts.slice, number = false, report = "none" })
    local all, passed = r.ok + r.failed, time.monotonic() - began
    local row = {
        time = passed,
        ok = r.ok,
        failed = r.failed,
        rate = bench.value(r, "request_throughput"),
        ttft99 = bench.value(r, "ttft.p99"),
    }
    rows[#rows + 1] = row
    local ttft = row.ttft99 and ("%.4f s"):format(row.ttft99) or "-"
    local line = "%8.0f s  %7d ok  %6d failed  %8.2f req/s  TTFT p99 %s"
    print(line:format(passed, row.ok, row.failed, row.rate or 0, ttft))
    if r.interrupted then
        ended = "interrupted"
    elseif all == 0 then
        ended = "nothing was answered in this slice"
    elseif r.failed > opts.failing * all then
        ended = ("%.2f %% failed, more than %g %%"):format(100 * r.failed / all, 100 * opts.failing)
    elseif passed >= opts.total then
        ended = "the time was over"
    end
end

local ok, failed = 0, 0
for _, row in ipairs(rows) do
    ok, failed = ok + row.ok, failed + row.failed
end
print(("ended after %.0f s and %d slices: %s; %d ok, %d failed"):format(
    rows[#rows].time, #rows, ended, ok, failed))
