-- Users who think before they ask: an exponential pause before each request, as long as --think on
-- average, in a closed loop.
-- llmbench --dataset examples/07-think-time.lua --think 2s --parallel 10 --number 100
--     --url http://127.0.0.1:8000/v1/chat/completions --model m
local random = require "random"
return {
    options = {
        { name = "think", type = "duration", default = "2s", help = "how long a user thinks" },
    },
    build_messages = function(opts)
        return function()
            return { prompt = "Tell me a story.", delay = random.exponential(opts.think) }
        end
    end,
}
