-- One object a line: {"messages":[…]}, {"prompt":…}, or {"body":{…}}, a whole request body that
-- is sent byte for byte. "max_tokens" and "model" beside messages and prompts go into the body;
-- "at" beside any of them is when --arrival trace sends it.
local dataset = require("dataset")
local json = require("json")

-- Fields that would change how a request is sent; rows have no say in that.
local unused = { at = true, delay = true, headers = true, session = true }

-- The times of a trace; what is none has another meaning in this file.
local function time_of(row)
    local at = row.at
    return type(at) == "number" and at >= 0 and at <= 1e9 and at or nil
end

local function is_count(value)
    return type(value) == "number" and value >= 1 and value <= 1e9 and value % 1 == 0
end

local function fault_of(row)
    if row.max_tokens ~= nil and not is_count(row.max_tokens) then
        return "'max_tokens' is no whole number from 1 to 10^9"
    end
    if row.model ~= nil and type(row.model) ~= "string" then
        return "'model' is no text"
    end
    if row.messages ~= nil then
        return dataset.fault(row.messages)
    end
    return type(row.prompt) ~= "string" and "'prompt' is no text" or nil
end

-- The item of a row, or nil and what is wrong with it.
local function item_of(row, rows)
    if type(row) ~= "table" then
        return nil, "it is no object"
    end
    if type(row.body) == "string" then
        return { body = row.body, at = time_of(row) }
    elseif type(row.body) == "table" then
        return { body = json.field(dataset.text(rows), "body"), at = time_of(row) }
    elseif row.body ~= nil then
        return nil, "'body' is neither an object nor a text"
    end
    if row.messages == nil and row.prompt == nil then
        return nil, "it has neither 'messages' nor 'prompt' nor 'body'"
    end
    local fault = fault_of(row)
    if fault then
        return nil, fault
    end
    local item = { at = time_of(row) }
    for name, value in pairs(row) do
        if not unused[name] then
            item[name] = value
        end
    end
    return item
end

return {
    build_messages = function(opts)
        local rows = dataset.jsonl(opts.dataset_path)
        return dataset.items(rows, function(row)
            return item_of(row, rows)
        end)
    end,
}
