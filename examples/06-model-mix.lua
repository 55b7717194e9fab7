-- A weighted mix of models: seven requests in ten go to the small one.
-- llmbench --dataset examples/06-model-mix.lua --dataset-path questions.jsonl
--     --url http://127.0.0.1:8000/v1/chat/completions --model any
local dataset, random = require "dataset", require "random"
local models = { { "small", 70 }, { "medium", 25 }, { "large", 5 } }

local function draw()
    local at = random.float() * 100 -- follows --plan-seed: the same mix in every run
    for _, model in ipairs(models) do
        at = at - model[2]
        if at < 0 then
            return model[1]
        end
    end
end

return {
    build_messages = function(opts)
        local rows = dataset.jsonl(opts.dataset_path)
        return function()
            local row = rows()
            return row and { prompt = row.question, model = draw() }
        end
    end,
}
