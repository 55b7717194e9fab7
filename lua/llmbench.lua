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

---- dataset ----

local dataset = require("dataset")

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

math.randomseed(seed)

-- http: comfort over http.request.
local http, json, crypto, random = require("http"), require("json"), require("crypto"),
    require("random")

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

local function with(method, url, body, more)
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
