-- Prompts for llmbench. `llmbench --help=lua` lists every field, hook and function.
--
--   llmbench try --dataset NAME.lua --model m                  what would be sent; nothing is
--   llmbench --dataset NAME.lua --url http://127.0.0.1:8000 --model m --stream
--   llmbench --dataset NAME.lua --dataset-path prompts.txt --url http://127.0.0.1:8000 --model m
local dataset = require("dataset")

-- 1. Loaded, once, in the thread that builds requests. Names of your own begin with _.
local data = { _topics = { "the sea", "bread", "the moon", "rain", "a bridge" } }

-- 2. At the start, and again when more prompts are wanted than there are: returns a function that
-- gives the next item, nil at the end. opts holds the options. Files are read in constant memory:
-- dataset.lines, dataset.jsonl (an object a line), dataset.json_list.
function data.build_messages(opts, _ctx)
    if opts.dataset_path then
        return dataset.lines(opts.dataset_path)
    end
    local i = 0
    return function()
        i = i + 1
        local topic = data._topics[i]
        if not topic then
            return nil
        end
        -- 3. An item: a string (one user message), a list of messages, or a table with fields such
        -- as these and any of your own, which a protocol finds in ctx.prompt.
        return {
            messages = {
                { role = "system", content = "Be brief." },
                { role = "user", content = "Tell me about " .. topic .. "." },
            },
            max_tokens = 32,
            topic = topic,
        }
    end
end

return data
