-- The prelude: runs in every Lua state before any script and puts comfort over the primitives that
-- the program registers in C.
local write, seed = ...

local log = require("log")

-- NUL would end the line early, so it is shown.
local function line(level, text)
    write(level, (text:gsub("%z", "\\0")))
end

for _, level in ipairs({ "debug", "info", "warn", "error" }) do
    log[level] = function(format, ...)
        if select("#", ...) == 0 then
            line(level, tostring(format))
        else
            line(level, string.format(format, ...))
        end
    end
end

-- stdout belongs to the program's results.
function print(...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = tostring((select(i, ...)))
    end
    line("info", table.concat(words, "\t"))
end
io.output(io.stderr)

function os.exit()
    error("a script cannot end the program; error(message) fails what it is doing", 2)
end

-- Scripts are text: compiled chunks can break the state in ways nobody can check.
local load_any, loadfile_any = load, loadfile
function load(chunk, name, _, ...)
    return load_any(chunk, name, "t", ...)
end
function loadstring(text, name)
    return load_any(text, name, "t")
end
function loadfile(path, _, ...)
    return loadfile_any(path, "t", ...)
end
function dofile(path)
    return assert(loadfile_any(path, "t"))()
end

math.randomseed(seed)
