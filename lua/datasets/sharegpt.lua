-- ShareGPT: {"conversations":[{"from":…, "value":…}, …]}, a JSON list or one object a line. All
-- turns up to the last of the user are sent.
local dataset = require("dataset")

local roles = {
    human = "user",
    user = "user",
    gpt = "assistant",
    chatgpt = "assistant",
    assistant = "assistant",
    system = "system",
}

-- The messages of a row, or nil and what is wrong with it.
local function messages_of(row)
    local turns = type(row) == "table" and row.conversations
    if type(turns) ~= "table" then
        return nil, "it has no list in the field 'conversations'"
    end
    local messages, last = {}, 0
    if type(row.system) == "string" and row.system ~= "" then
        messages[1] = { role = "system", content = row.system }
    end
    for i, turn in ipairs(turns) do
        if type(turn) ~= "table" or type(turn.value) ~= "string" then
            return nil, ("turn %d has no text in the field 'value'"):format(i)
        end
        local role = roles[turn.from]
        if not role then
            return nil, ("turn %d is from '%s'"):format(i, tostring(turn.from))
        end
        messages[#messages + 1] = { role = role, content = turn.value }
        last = role == "user" and #messages or last
    end
    if last == 0 then
        return nil, "no turn is the user's"
    end
    for i = #messages, last + 1, -1 do
        messages[i] = nil
    end
    return messages
end

return {
    build_messages = function(opts)
        return dataset.items(dataset.rows(opts.dataset_path), messages_of)
    end,
}
