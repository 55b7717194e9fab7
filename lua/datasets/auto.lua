-- A data file of unknown shape: its first row decides which data set reads it.
local dataset = require("dataset")
local json = require("json")
local log = require("log")

-- By the fields of the first row; the first that fits counts.
local shapes = {
    { field = "messages", lines = "chat_jsonl" },
    { field = "body", lines = "chat_jsonl" },
    { field = "conversations", lines = "sharegpt", list = "sharegpt" },
    { field = "question", lines = "openqa", list = "openqa" },
    { field = "instruction", lines = "longalpaca", list = "longalpaca" },
    { field = "prompt", lines = "chat_jsonl", list = "qianfan_json" },
}

local HEAD_BYTES = 2 ^ 20 -- of the file, to tell a list from lines that are lists

-- What the file begins with, without a byte order mark.
local function head_of(path)
    local file, why = io.open(path, "rb")
    if not file then
        error(why, 0)
    end
    local head = file:read(HEAD_BYTES) or ""
    file:close()
    return (head:gsub("^\239\187\191", ""))
end

-- Whether the file is one list. A list may stand in a single line of any length, so no more than
-- the head is looked at; and lines may be lists themselves, each a row.
local function is_list(path)
    local head, ending = head_of(path), path:lower():match("%.(%w+)$")
    if not head:find("^%s*%[") or ending == "json" then
        return head:find("^%s*%[") ~= nil
    end
    local line, rest = head:match("^%s*([^\n]*)\n(.*)$")
    if not line and #head < HEAD_BYTES then
        line, rest = head, ""
    end
    if not line then
        return ending ~= "jsonl"
    elseif json.decode(line) == nil then
        return true
    end
    return ending ~= "jsonl" and not rest:find("%S")
end

local function first_row(path)
    local tries = 100
    for line in dataset.lines(path) do
        local row = json.decode(line)
        if row ~= nil then
            return row
        end
        tries = tries - 1
        if tries == 0 then
            break
        end
    end
    return nil
end

-- The first row and whether the file is one "list" or "lines", a row each.
local function look(path)
    if is_list(path) then
        return dataset.json_list(path)(), "list"
    end
    return first_row(path), "lines"
end

local function name_of(path)
    local row, shape = look(path)
    if type(row) ~= "table" then
        return nil
    end
    if shape == "lines" and type(row[1]) == "table" and row[1].prompt then
        return "qianfan_jsonl"
    end
    for _, known in ipairs(shapes) do
        if row[known.field] ~= nil and known[shape] then
            return known[shape]
        end
    end
    return nil
end

local name -- found once, for all passes over the data

return {
    build_messages = function(opts, ctx)
        local path = opts.dataset_path
        if not path then
            error("auto reads a file: name it by --dataset FILE", 0)
        end
        if not name then
            name = name_of(path) or error(path .. ": its first row has none of the shapes known "
                .. "here (docs/datasets.md lists them); --dataset NAME says how to read it", 0)
            log.info("%s is read as %s", path, name)
        end
        return require("datasets." .. name).build_messages(opts, ctx)
    end,
}
