-- Qianfan's JSON format: one list of {"prompt":…, "response":…}, each a conversation of one turn.
-- The answers are not used.
local dataset = require("dataset")

return {
    build_messages = function(opts)
        local rows = dataset.json_list(opts.dataset_path)
        return function()
            for row in rows do
                local prompt = type(row) == "table" and row.prompt
                if type(prompt) == "string" then
                    return prompt
                end
                dataset.skip(rows, "it has no text in the field 'prompt'")
            end
        end
    end,
}
