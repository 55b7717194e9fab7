-- HC3's open_qa.jsonl: one object a line, the prompt is its `question`.
local dataset = require("dataset")

local function strip(text)
    return text:match("^%s*(.-)%s*$")
end

return {
    build_messages = function(opts)
        local rows = dataset.jsonl(opts.dataset_path)
        return function()
            for row in rows do
                local question = type(row) == "table" and row.question
                local prompt = type(question) == "string" and strip(question) or ""
                if prompt ~= "" then
                    return prompt
                end
            end
        end
    end,
}
