-- What `require "bench"` gives to an experiment, over the few functions that the program registers
-- for it (src/script/experiment.c).
local host = ...
if type(host) ~= "table" then
    error('"bench" is there in an experiment only: llmbench experiment FILE.lua', 0)
end

local json = require("json")
local bench = {}

---- what leaves the experiment ----

function bench.print(...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = tostring((select(i, ...)))
    end
    host.print(table.concat(words, "\t") .. "\n")
end
print = bench.print -- stdout is the experiment's

-- Of all rows, sorted; columns say a better order.
local function names_of(rows)
    local names, seen = {}, {}
    for _, row in ipairs(rows) do
        for name in pairs(row) do
            if not seen[name] then
                seen[name] = true
                names[#names + 1] = name
            end
        end
    end
    table.sort(names, function(a, b)
        return tostring(a) < tostring(b)
    end)
    return names
end

-- A column is a name, or { name, title, format }.
local function columns_of(rows, columns, where)
    local list = {}
    if type(rows) ~= "table" or (rows[1] ~= nil and type(rows[1]) ~= "table") then
        error(where .. " takes a list of rows, each a table", 3)
    end
    for i, column in ipairs(columns or names_of(rows)) do
        local row = type(column) == "table" and column or { column }
        list[i] = { name = row[1], title = tostring(row[2] or row[1]), format = row[3] }
    end
    return list
end

local function cell(value, format)
    if value == nil or value ~= value then
        return "-"
    elseif type(value) == "boolean" then
        return value and "yes" or "no"
    elseif type(value) ~= "number" or math.abs(value) == math.huge then
        return tostring(value)
    elseif format then
        return format:format(value)
    elseif value == math.floor(value) then
        return ("%.0f"):format(value)
    end
    return ((math.abs(value) >= 100 and "%.1f") or "%.4f"):format(value)
end

-- Code points, for that is what a terminal shows.
local function width_of(text)
    return #text:gsub("[\128-\191]", "")
end

local function pad(text, width, right)
    local blanks = (" "):rep(width - width_of(text))
    return right and blanks .. text or text .. blanks
end

-- The lines of cells (the first are the titles), numbers to the right.
local function draw(lines, numbers)
    local widths, out = {}, {}
    for _, line in ipairs(lines) do
        for i, text in ipairs(line) do
            widths[i] = math.max(widths[i] or 0, width_of(text))
        end
    end
    for k, line in ipairs(lines) do
        local words = {}
        for i, text in ipairs(line) do
            words[i] = pad(text, widths[i], numbers[i])
        end
        out[k] = table.concat(words, "  "):gsub("%s+$", "")
    end
    return table.concat(out, "\n") .. "\n"
end

function bench.table(rows, columns)
    local list, titles, numbers = columns_of(rows, columns, "bench.table"), {}, {}
    for i, column in ipairs(list) do
        titles[i] = column.title
    end
    local lines = { titles }
    for _, row in ipairs(rows) do
        local line = {}
        for i, column in ipairs(list) do
            local value = row[column.name]
            numbers[i] = numbers[i] or type(value) == "number"
            line[i] = cell(value, column.format)
        end
        lines[#lines + 1] = line
    end
    host.print(draw(lines, numbers))
end

local function csv_cell(value)
    local text = type(value) == "number" and ("%.17g"):format(value) or tostring(value)
    if value == nil then
        return ""
    elseif text:find('[",\r\n]') then
        return '"' .. text:gsub('"', '""') .. '"'
    end
    return text
end

local function csv(rows, columns)
    local list, out = columns_of(rows, columns, "bench.save"), {}
    local function add(value_of)
        local words = {}
        for i, column in ipairs(list) do
            words[i] = csv_cell(value_of(column))
        end
        out[#out + 1] = table.concat(words, ",")
    end
    add(function(column)
        return column.title
    end)
    for _, row in ipairs(rows) do
        add(function(column)
            return row[column.name]
        end)
    end
    return table.concat(out, "\r\n") .. "\r\n"
end

function bench.save(path, value, how)
    how = how or {}
    if type(path) ~= "string" or path == "" then
        error("bench.save takes a file and what is to go into it", 2)
    end
    local is_csv = path:find("%.csv$")
    local made, text = true
    if is_csv then
        text = csv(value, how.columns)
    else
        made, text = pcall(json.encode, value)
    end
    if not made then
        error("bench.save: " .. text, 2)
    end
    local ok, message = host.write(path, is_csv and text or text .. "\n", how.replace == true)
    if not ok then
        error("bench.save: " .. message, 2)
    end
end

---- what comes in ----

-- No tail calls to it: the place in messages is that of the caller's caller.
local function answered(results)
    local first, message = results[1], results[2]
    if first == nil and message then
        error(message, message == "interrupted" and 0 or 3)
    end
end

function bench.run(options)
    if type(options) ~= "table" then
        error("bench.run takes a table of options, not " .. type(options), 2)
    end
    local ok, text = pcall(json.encode, options)
    if not ok then
        error("bench.run: " .. text, 2)
    end
    local results = { host.run(text) }
    answered(results)
    return unpack(results)
end

function bench.options(rows)
    if type(rows) ~= "table" then
        error("bench.options takes a list of options, not " .. type(rows), 2)
    end
    local fits, options, message = pcall(host.options, rows)
    if not fits then
        error(options, 2)
    end
    answered({ options, message })
    return options
end

-- What a wrong name may stand for: names that hold it or are part of it, else those that a slip
-- makes of it.
local function meant(names, wrong)
    local parts, slips = {}, {}
    for name in pairs(names) do
        if name:find(wrong, 1, true) or wrong:find(name, 1, true) then
            parts[#parts + 1] = name
        elseif host.distance(name, wrong) <= 2 then
            slips[#slips + 1] = name
        end
    end
    local list = #parts > 0 and parts or slips
    table.sort(list)
    if #list == 0 or wrong == "" then
        return "llmbench --help=lua lists them"
    end
    return "did you mean " .. table.concat(list, ", ") .. "?"
end

-- "ttft.p99" of a result; of a metric with one value its name says it all. nil: there is none.
function bench.value(result, name)
    if type(result) ~= "table" or type(result.metrics) ~= "table" then
        error("bench.value takes what bench.run returned and the name of a metric", 2)
    end
    local metric, statistic = tostring(name):match("^([%w_]+)%.?([%w_]*)$")
    local found = metric and result.metrics[metric]
    if not found then
        local what = 'bench.value: there is no metric "%s"; %s'
        error(what:format(tostring(name), meant(result.metrics, metric or tostring(name))), 2)
    elseif statistic == "" then
        return found.value or found.mean
    elseif not host.statistics[statistic] then
        error(("bench.value: %q is no statistic such as mean, p50 or p99"):format(statistic), 2)
    end
    return found[statistic]
end

---- statistics over runs ----

function bench.mean(list)
    local sum = 0
    for _, value in ipairs(list) do
        sum = sum + value
    end
    return sum / #list
end

-- Sample standard deviation (n - 1).
function bench.deviation(list)
    local mean, sum = bench.mean(list), 0
    for _, value in ipairs(list) do
        sum = sum + (value - mean) ^ 2
    end
    return math.sqrt(sum / (#list - 1))
end

-- The two-sided 95 % quantile of Student's t: a table, then the Cornish-Fisher expansion, which is
-- right to three digits from 8 degrees of freedom on.
local few = { 12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646 }
local function student(n)
    local z = 1.959964
    return few[n]
        or z
            + (z ^ 3 + z) / (4 * n)
            + (5 * z ^ 5 + 16 * z ^ 3 + 3 * z) / (96 * n ^ 2)
            + (3 * z ^ 7 + 19 * z ^ 5 + 17 * z ^ 3 - 15 * z) / (384 * n ^ 3)
end

-- The mean and the bounds of its 95 % confidence interval by Student's t; of fewer than two values
-- there are no bounds.
function bench.interval(list)
    local mean = bench.mean(list)
    if #list < 2 then
        return mean
    end
    local half = student(#list - 1) * bench.deviation(list) / math.sqrt(#list)
    return mean, mean - half, mean + half
end

-- As in the other modules: a nil would only show when it is called.
return setmetatable(bench, {
    __index = function(_, name)
        local said = "the module 'bench' has no '%s'; --help=lua shows what it has"
        error(said:format(tostring(name)), 2)
    end,
})
