-- The highest rate of arrivals that a server holds: a statistic stays under its limit and hardly
-- anything fails. The rate doubles until a step does not hold, then the gap is halved.
--   llmbench experiment capacity --url … --model … --stream --hold ttft.p99 --under 500ms
local bench = require("bench")

local opts = bench.options({
    { name = "hold", default = "ttft.p99", help = "the metric and statistic that has to hold" },
    { name = "under", type = "duration", default = "500ms", help = "what it has to stay under" },
    { name = "from", type = "number", default = 1, min = 0.001, max = 1e5, help = "first rate" },
    { name = "most", type = "number", default = 1000, min = 0.001, max = 1e5, help = "last rate" },
    { name = "within", type = "share", default = "5%", min = 0.001, help = "gap of the bounds" },
    { name = "samples", type = "integer", default = 500, min = 100, help = "requests a step" },
    { name = "step-time", type = "duration", default = "30s", help = "a step lasts no less" },
    { name = "failures", type = "share", default = "1%", help = "the share that may fail" },
})

local rows = {}

-- Why the rate was not held, or nil.
local function broken(r, rate, number)
    local value = bench.value(r, opts.hold)
    local reached = r.trust.achieved_rate or 0
    if r.ok == 0 or not value then
        return "no request succeeded"
    elseif r.failed > opts.failures * (r.ok + r.failed) then
        return ("%d of %d failed"):format(r.failed, r.ok + r.failed)
    elseif value >= opts.under then
        return ("%s %.3f s"):format(opts.hold, value)
    elseif reached < rate * (1 - math.max(0.05, 3 / math.sqrt(number))) then -- arrivals are random
        return ("only %.2f arrivals a second"):format(reached)
    end
end

local function step(rate)
    local number = math.ceil(math.max(opts.samples, rate * opts.step_time))
    local r = bench.run({ rate = rate, number = number, duration = false, report = "none" })
    local why = broken(r, rate, number)
    local client = not r.verdict.sound and r.verdict.reasons[1] or ""
    local row = { rate = rate, value = bench.value(r, opts.hold), ok = r.ok, failed = r.failed }
    row.holds, row.why = not why, why or client
    rows[#rows + 1] = row
    print(("%9.3f/s  %s"):format(rate, why and "does not hold: " .. why or "holds"))
    return not why, r.interrupted, client:find("^client%-bound") and client
end

local held, lost, stopped, client = 0, nil, false, nil
local rate = opts.from
while not (lost and lost - held <= held * opts.within) do
    local holds, doubt
    holds, stopped, doubt = step(rate)
    if stopped then
        break -- a step cut short says nothing
    elseif holds then
        held = rate
    else
        lost, client = rate, doubt
    end
    if held >= opts.most or (lost and held == 0) then
        break
    end
    rate = lost and (held + lost) / 2 or math.min(rate * 2, opts.most)
end

local rates, values = { "rate", "rate/s", "%.3f" }, { "value", opts.hold }
bench.table(rows, { rates, values, "ok", "failed", "holds", "why" })
if stopped then
    print("interrupted: the bounds are those so far")
end
if held > 0 then
    print(("highest rate that held: %.3f/s"):format(held))
end
print(lost and ("lowest that did not: %.3f/s"):format(lost) or "no rate failed: --most may go on")
if held == 0 and lost then
    print("the first rate did not hold: lower --from, raise --under, or look at the server")
end
if client then
    print("the client may be the limit there, not the server: " .. client)
end
