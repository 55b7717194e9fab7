-- LongAlpaca-12k: one JSON list, the prompt is each element's `instruction`. A file with one object
-- a line will do too.
local dataset = require("dataset")

local function prompt_of(row)
    local prompt = type(row) == "table" and row.instruction
    if type(prompt) ~= "string" then
        return nil, "it has no text in the field 'instruction'"
    end
    return prompt
end

return {
    build_messages = function(opts)
        return dataset.items(dataset.rows(opts.dataset_path), prompt_of)
    end,
}
