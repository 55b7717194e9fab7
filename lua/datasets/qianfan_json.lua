-- Qianfan's JSON format: one list of {"prompt":…, "response":…}, each a conversation of one turn.
-- The answers are not used.
local dataset = require("dataset")

local function prompt_of(row)
    local prompt = type(row) == "table" and row.prompt
    if type(prompt) ~= "string" then
        return nil, "it has no text in the field 'prompt'"
    end
    return prompt
end

return {
    build_messages = function(opts)
        return dataset.items(dataset.json_list(opts.dataset_path), prompt_of)
    end,
}
