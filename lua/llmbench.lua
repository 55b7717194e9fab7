-- The prelude: runs in every Lua state before any script and puts comfort over the primitives that
-- the program registers in C.
local write, seed, generator, guard = ...

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
    guard()
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

-- Compiled loops cannot be interrupted, and LuaJIT may crash when one runs out of memory. So only
-- states that hold the program's own scripts alone compile (see script_open); others may say
-- jit.on().
jit.off()

-- What could change the program's own values, or run code when nobody waits for it.
for _, name in ipairs({
    "getmetatable", "getregistry", "setmetatable", "setfenv", "sethook", "setlocal",
    "setupvalue", "setuservalue", "upvaluejoin",
}) do
    debug[name] = nil
end
newproxy = nil
getmetatable(io.stderr).__metatable = "a file"

-- What calls Lua from C looks whether the C stack has room (string.gsub and table.sort do it
-- themselves).
local require_any, resume, wrap = require, coroutine.resume, coroutine.wrap
function require(name)
    guard()
    return require_any(name)
end
function coroutine.resume(...)
    guard()
    return resume(...)
end
function coroutine.wrap(body)
    local go_on = wrap(body)
    return function(...)
        guard()
        return go_on(...)
    end
end

-- Looking for line numbers after a stack overflow, LuaJIT 2.1.0-beta3 may read in front of its own
-- memory.
local traceback = debug.traceback
function debug.traceback(...)
    local first, second = ...
    local message = type(first) == "thread" and second or first
    if type(message) == "string" and message:find("stack overflow", 1, true) then
        return message
    end
    return traceback(...)
end

---- dataset ----

local dataset, random = require("dataset"), require("random")

local function message_fault(message)
    if type(message) ~= "table" or type(message.role) ~= "string" then
        return "is no {role=, content=}"
    end
    local content = type(message.content)
    if content ~= "string" and content ~= "table" and content ~= "nil" then
        return "has a content that is neither text nor a list of parts"
    end
    return nil
end

function dataset.fault(messages)
    if type(messages) ~= "table" then
        return "the messages are no list"
    end
    for i, message in ipairs(messages) do
        local fault = message_fault(message)
        if fault then
            return ("message %d %s"):format(i, fault)
        end
    end
    return #messages == 0 and "there are no messages" or nil
end

function dataset.items(rows, read)
    if type(rows) ~= "function" or type(read) ~= "function" then
        error(("dataset.items takes an iterator and a function, not a %s and a %s"):format(
            type(rows), type(read)), 2)
    end
    return function()
        for row in rows do
            local item, why = read(row)
            if item ~= nil then
                return item
            elseif why ~= nil then
                dataset.skip(rows, why)
            end
        end
        return nil
    end
end

local ROWS_MAX = 1000000 -- what shuffle and sample keep in memory

local function check_count(name, what, count)
    if type(count) ~= "number" or not (count >= 1 and count <= ROWS_MAX and count % 1 == 0) then
        error(("%s: %s must be a whole number from 1 to %d, not %s"):format(name, what, ROWS_MAX,
            tostring(count)), 3)
    end
end

-- The rows, never asked again once they have ended: not every iterator bears it.
local function checked_rows(name, rows)
    if type(rows) ~= "function" then
        error(name .. " takes an iterator, as dataset.jsonl gives one, not a " .. type(rows), 3)
    end
    local ended = false
    return function()
        if ended then
            return nil
        end
        local row = rows()
        ended = row == nil
        return row
    end
end

-- At most `most` rows.
local function take(rows, most)
    local kept = {}
    for i = 1, most do
        kept[i] = rows()
        if kept[i] == nil then
            break
        end
    end
    return kept
end

local function take_all(rows)
    local kept = take(rows, ROWS_MAX)
    if rows() ~= nil then
        error(("dataset.shuffle: more than %d rows; {window=10000} shuffles any number of them, "
            .. "within a window of that many"):format(ROWS_MAX), 0)
    end
    return kept
end

-- One of the kept rows; `fresh` takes its place, or the last one when there is none.
local function swap(kept, fresh)
    if #kept == 0 then
        return nil
    end
    local at = random.integer(1, #kept)
    local row = kept[at]
    kept[at] = kept[#kept]
    kept[#kept] = fresh
    return row
end

function dataset.shuffle(rows, more)
    rows = checked_rows("dataset.shuffle", rows)
    for name in pairs(more or {}) do
        if name ~= "window" then
            error(("dataset.shuffle takes the field window, not '%s'"):format(tostring(name)), 2)
        end
    end
    local window = more and more.window
    if window ~= nil then
        check_count("dataset.shuffle", "window", window)
    end
    local kept
    return function()
        if not kept then
            kept = window and take(rows, window) or take_all(rows)
        end
        return swap(kept, rows())
    end
end

-- A reservoir. Its draws are its own, so that every pass over the data picks the same rows.
local function pick(rows, n)
    local kept, draw = {}, generator()
    local count = 0
    for row in rows do
        count = count + 1
        local at = count <= n and count or draw(count)
        if at <= n then
            kept[at] = { row = row, place = count }
        end
    end
    table.sort(kept, function(a, b)
        return a.place < b.place
    end)
    return kept
end

function dataset.sample(rows, n)
    rows = checked_rows("dataset.sample", rows)
    check_count("dataset.sample", "the number of rows", n)
    local kept
    local i = 0
    return function()
        if not kept then
            kept = pick(rows, n)
            if #kept < n then
                log.warn("dataset.sample: %d rows are all there are, not %d", #kept, n)
            end
        end
        i = i + 1
        return kept[i] and kept[i].row
    end
end

-- `repeat` is a word of the language, so it can only be written dataset["repeat"].
function dataset.cycle(make, times)
    if type(make) ~= "function" then
        error("dataset.cycle takes a function that returns an iterator, not a " .. type(make), 2)
    elseif times ~= nil then
        check_count("dataset.cycle", "the number of passes", times)
    end
    local pass, rows, any = 0, nil, true
    return function()
        while any and (rows or pass ~= times) do
            if not rows then
                rows = make()
                if type(rows) ~= "function" then
                    error("dataset.cycle: its function must return an iterator, as in function() "
                        .. "return dataset.jsonl(path) end; it returned a " .. type(rows), 0)
                end
                pass, any = pass + 1, false
            end
            local row = rows()
            if row ~= nil then
                any = true
                return row
            end
            rows = nil
        end
        return nil
    end
end
dataset["repeat"] = dataset.cycle

math.randomseed(seed)

-- http: comfort over http.request.
local http, json, crypto = require("http"), require("json"), require("crypto")

-- Headers are a map, or a list of "Name: value".
local function names_type(headers)
    for name, value in pairs(headers) do
        local said = type(name) == "string" and name or tostring(value)
        if said:lower():find("^content%-type") then
            return true
        end
    end
    return false
end

local function check_more(more)
    if type(more) ~= "table" then
        error("the last argument must be a table {headers=, timeout=}, not a " .. type(more), 3)
    end
    for name in pairs(more) do
        if name ~= "headers" and name ~= "timeout" then
            error(("{headers=, timeout=} is what it takes, not '%s'"):format(tostring(name)), 3)
        end
    end
end

local function with(method, url, body, more)
    if more ~= nil then
        check_more(more)
    end
    local request = { method = method, url = url, headers = {}, body = body }
    for name, value in pairs(more and more.headers or {}) do
        request.headers[name] = value
    end
    request.timeout = more and more.timeout
    if type(body) == "table" then
        request.body = json.encode(body)
        if not names_type(request.headers) then
            table.insert(request.headers, "Content-Type: application/json")
        end
    end
    return http.request(request)
end

function http.get(url, more)
    return with("GET", url, nil, more)
end

function http.post(url, body, more)
    return with("POST", url, body or "", more)
end

function http.escape(text)
    return (text:gsub("[^%w%-._~]", function(c)
        return string.format("%%%02X", c:byte())
    end))
end

local function token_part(value)
    return crypto.base64url(type(value) == "table" and json.encode(value) or value)
end

function crypto.jwt_hs256(header, payload, key)
    local signed = token_part(header or { alg = "HS256", typ = "JWT" })
        .. "."
        .. token_part(payload)
    return signed .. "." .. crypto.base64url(crypto.hmac_sha256(key, signed))
end

function random.choice(list)
    if #list == 0 then
        error("random.choice takes a list that is not empty", 2)
    end
    return list[random.integer(1, #list)]
end

-- Fisher and Yates: every order is as likely as any other.
function random.shuffle(list)
    for i = #list, 2, -1 do
        local k = random.integer(1, i)
        list[i], list[k] = list[k], list[i]
    end
    return list
end
