-- A test set: each line is "N|prompt", of whose answer at most N tokens are wanted, or a prompt
-- alone, which stands for 512. A prompt that is a JSON list of messages is sent as these messages.
local dataset = require("dataset")
local json = require("json")

local DEFAULT_TOKENS, MOST_TOKENS = 512, 1e9

-- The messages of a text that is a list of objects; nil for any other text.
local function messages_of(text)
    local list = text:find("^%s*%[") and json.decode(text)
    return type(list) == "table" and type(list[1]) == "table" and list or nil
end

-- The item of a line, or nil and what is wrong with it, which is nothing for a blank line.
local function item_of(line)
    if not line:find("%S") then
        return nil
    end
    local digits, rest = line:match("^(%d+)|(.*)$")
    local tokens = digits and tonumber(digits) or DEFAULT_TOKENS
    if tokens < 1 or tokens > MOST_TOKENS then
        return nil, ("%s tokens cannot be asked for"):format(digits)
    end
    local text = digits and rest or line
    local messages = messages_of(text)
    if not messages then
        return { prompt = text, max_tokens = tokens }
    end
    local fault = dataset.fault(messages)
    if fault then
        return nil, fault
    end
    return { messages = messages, max_tokens = tokens }
end

return {
    build_messages = function(opts)
        if not opts.dataset_path then
            error("testset reads a text file: name it by --test-set FILE", 0)
        end
        return dataset.items(dataset.lines(opts.dataset_path), item_of)
    end,
}
