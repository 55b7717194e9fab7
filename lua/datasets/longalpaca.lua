-- LongAlpaca-12k: one JSON list, the prompt is each element's `instruction`.
local dataset = require("dataset")

return {
    build_messages = function(opts)
        local rows = dataset.json_list(opts.dataset_path)
        return function()
            for row in rows do
                local prompt = type(row) == "table" and row.instruction
                if type(prompt) == "string" and prompt:find("%S") then
                    return prompt
                end
            end
        end
    end,
}
