-- HC3's open_qa.jsonl: one object a line, the prompt is its `question`. A JSON list will do too.
local dataset = require("dataset")

local function prompt_of(row)
    local question = type(row) == "table" and row.question
    if type(question) ~= "string" then
        return nil, "it has no text in the field 'question'"
    end
    return question:match("^%s*(.-)%s*$")
end

return {
    build_messages = function(opts)
        return dataset.items(dataset.rows(opts.dataset_path), prompt_of)
    end,
}
