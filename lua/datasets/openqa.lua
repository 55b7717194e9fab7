-- HC3's open_qa.jsonl: one object a line, the prompt is its `question`. A JSON list will do too.
local dataset = require("dataset")

local function strip(text)
    return text:match("^%s*(.-)%s*$")
end

return {
    build_messages = function(opts)
        local rows = dataset.rows(opts.dataset_path)
        return function()
            for row in rows do
                local question = type(row) == "table" and row.question
                if type(question) == "string" then
                    return strip(question)
                end
                dataset.skip(rows, "it has no text in the field 'question'")
            end
        end
    end,
}
