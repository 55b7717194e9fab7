-- LongAlpaca-12k: one JSON list, the prompt is each element's `instruction`. A file with one object
-- a line will do too.
local dataset = require("dataset")

return {
    build_messages = function(opts)
        local rows = dataset.rows(opts.dataset_path)
        return function()
            for row in rows do
                local prompt = type(row) == "table" and row.instruction
                if type(prompt) == "string" then
                    return prompt
                end
                dataset.skip(rows, "it has no text in the field 'instruction'")
            end
        end
    end,
}
