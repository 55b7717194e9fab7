-- Prompts from two columns of a CSV file, in random order.
-- llmbench --dataset examples/05-csv-data.lua --dataset-path questions.csv
--     --url http://127.0.0.1:8000/v1/chat/completions --model m
local dataset = require "dataset"
return {
    build_messages = function(opts)
        local rows = dataset.shuffle(dataset.csv(opts.dataset_path))
        return function()
            for row in rows do
                if row.question ~= "" then
                    return {
                        { role = "system", content = "Answer in " .. row.language .. "." },
                        { role = "user", content = row.question },
                    }
                end
            end
        end
    end,
}
