-- Two servers, or two ways to ask one, in turns (A B B A A B …) so that what drifts meets both
-- alike; each round gives one difference, and these give an interval.
--   llmbench experiment ab --url http://one --b url=http://two --model … --stream -n 200
--   llmbench experiment ab --url … --a max_tokens=64 --b max_tokens=256 -n 200
local bench = require("bench")
local json = require("json")

local opts = bench.options({
    { name = "a", type = "list", help = "an option of A alone: NAME=VALUE" },
    { name = "b", type = "list", help = "an option of B alone: NAME=VALUE" },
    { name = "rounds", type = "integer", default = 6, min = 2, max = 1000, help = "runs of each" },
    { name = "compare", default = "ttft.p50", help = "the metric and statistic compared" },
})

local function options_of(words)
    local options = { report = "none" }
    for _, word in ipairs(words or {}) do
        local name, value = word:match("^([^=]+)=(.*)$")
        if not name then
            error(("%q is no NAME=VALUE"):format(word), 0)
        end
        local decoded = json.decode(value) -- a number, true, [1, 2]; else the text itself
        options[name] = decoded == nil and value or decoded
    end
    return options
end

local side = { a = options_of(opts.a), b = options_of(opts.b) }
if not (opts.a or opts.b) then
    error("what differs? give --b url=URL, or other options of --a and --b", 0)
end

local rows, differences = {}, {}
for round = 1, opts.rounds do
    local row, stop = { round = round }, false
    for _, name in ipairs(round % 2 == 1 and { "a", "b" } or { "b", "a" }) do
        local r = bench.run(side[name])
        row[name], row[name .. "_failed"] = bench.value(r, opts.compare), r.failed
        stop = stop or r.interrupted
        if stop then
            break
        end
    end
    rows[round] = row
    if stop then
        break
    end
    if row.a and row.b then
        row.difference = row.b - row.a
        differences[#differences + 1] = row.difference
    end
end

bench.table(rows, { "round", "a", "a_failed", "b", "b_failed", { "difference", "B - A" } })
if #differences < 2 then
    error(("%s: only %d rounds have both values"):format(opts.compare, #differences), 0)
end
local mean, low, high = bench.interval(differences)
local said = "%s, B - A over %d rounds: %.6g, 95 %% interval %.6g to %.6g (paired, Student's t)"
print(said:format(opts.compare, #differences, mean, low, high))
local inside = low <= 0 and high >= 0
print(inside and "0 is inside: no difference has been shown" or "0 is outside: they differ")
