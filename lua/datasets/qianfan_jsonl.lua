-- Qianfan's JSON lines: each line is a list of {"prompt":…, "response":…}, the turns of one
-- conversation. What is asked is the last prompt; its answer is not used.
local dataset = require("dataset")

-- An answer is a text, or lists within lists whose first text it is.
local function answer_of(response)
    while type(response) == "table" do
        response = response[1]
    end
    return type(response) == "string" and response or nil
end

-- The messages of a row, or nil and what is wrong with it.
local function messages_of(row)
    if type(row) ~= "table" or #row == 0 then
        return nil, "it is no list of turns"
    end
    local messages = {}
    for i, turn in ipairs(row) do
        local prompt = type(turn) == "table" and turn.prompt
        if type(prompt) ~= "string" then
            return nil, ("turn %d has no text in the field 'prompt'"):format(i)
        end
        messages[#messages + 1] = { role = "user", content = prompt }
        if i < #row then
            local answer = answer_of(turn.response)
            if not answer then
                return nil, ("turn %d has no text in the field 'response'"):format(i)
            end
            messages[#messages + 1] = { role = "assistant", content = answer }
        end
    end
    return messages
end

return {
    build_messages = function(opts)
        return dataset.items(dataset.jsonl(opts.dataset_path), messages_of)
    end,
}
