-- One object a line: {"messages":[…]}, {"prompt":…}, or {"body":{…}}, a whole request body that
-- is sent byte for byte. "max_tokens" and "model" beside messages and prompts go into the body.
local dataset = require("dataset")
local json = require("json")

-- Fields that would change how a request is sent and when; rows have no say in that.
local unused = { at = true, delay = true, headers = true, session = true }

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
        return { body = row.body }
    elseif type(row.body) == "table" then
        return { body = json.field(dataset.text(rows), "body") }
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
    local item = {}
    for name, value in pairs(row) do
        item[name] = not unused[name] and value or nil
    end
    return item
end

return {
    build_messages = function(opts)
        local rows = dataset.jsonl(opts.dataset_path)
        return function()
            for row in rows do
                local item, why = item_of(row, rows)
                if item then
                    return item
                end
                dataset.skip(rows, why)
            end
        end
    end,
}
