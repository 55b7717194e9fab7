-- Made-up prompts of an exact number of tokens, as the tokenizer of --tokenizer-path counts them:
-- each is encoded again, and one that does not come back with its number is made anew. The text
-- follows --plan-seed.
local tokenizer = require("tokenizer")

local POOL = 2048 -- words that prompts are made of
local LOOKS = 20000 -- ids that are looked at to find them
local ATTEMPTS = 24 -- at one prompt
local REPAIRS = 4 -- of one attempt

-- Draws whole numbers from 1 to n; the same seed, the same numbers.
local function drawer(seed)
    local state = seed % 2147483646 + 1
    local function draw(n)
        state = state * 48271 % 2147483647
        return math.floor(state / 2147483647 * n) + 1
    end
    draw(1)
    draw(1)
    return draw
end

local function checked(value, message)
    if value == nil then
        error("--dataset random: " .. message, 0)
    end
    return value
end

local function text_of(ids)
    return checked(tokenizer.decode(ids))
end

local function ids_of(text)
    return checked(tokenizer.encode(text))
end

-- How well a token joins others: "word" where it keeps apart from its neighbours by a blank of its
-- own, "piece" where it at least stands beside itself, nil where it does neither.
local function joins(id)
    local text, twice = text_of({ id }), text_of({ id, id })
    if text == "" or text:find("\239\191\189", 1, true) or text:find("%c") then
        return nil
    end
    if #ids_of(twice) ~= 2 then
        return nil
    end
    local word = text:gsub("^ ", "")
    if word:find("^[%a\128-\255]+$") and twice == text .. " " .. word then
        return "word"
    end
    return twice == text .. text and "piece" or nil
end

local function find_pool(draw)
    local found, size = { word = {}, piece = {} }, tokenizer.vocabulary()
    local seen = {}
    for _ = 1, LOOKS do
        local id = draw(size) - 1
        local kind = not seen[id] and joins(id)
        seen[id] = true
        if kind then
            table.insert(found[kind], id)
        end
        if #found.word == POOL then
            break
        end
    end
    local pool = #found.word >= 16 and found.word or found.piece
    checked(#pool > 0 or nil, "the tokenizer has no tokens that can be joined to a text")
    return pool
end

local function fill(ids, count, pool, draw)
    while #ids > count do
        ids[#ids] = nil
    end
    while #ids < count do
        ids[#ids + 1] = pool[draw(#pool)]
    end
    return ids
end

local function begins_with(ids, prefix)
    for i, id in ipairs(prefix) do
        if ids[i] ~= id then
            return false
        end
    end
    return true
end

-- A text of exactly `count` tokens that begin with those of `prefix`.
local function exact_text(count, prefix, pool, draw)
    for _ = 1, ATTEMPTS do
        local ids = { unpack(prefix) }
        for _ = 0, REPAIRS do
            local text = text_of(fill(ids, count, pool, draw))
            ids = ids_of(text)
            if #ids == count and begins_with(ids, prefix) then
                return text, ids
            end
        end
    end
    local message = "--dataset random: no text of exactly %d tokens was found in %d attempts"
    error(message:format(count, ATTEMPTS), 0)
end

-- "1024" or "256-1024"
local function range_of(text)
    local low, high = text:match("^(%d+)%-(%d+)$")
    low, high = tonumber(low or text), tonumber(high or text)
    if not low or low < 1 or high < low or high > 10000000 or low % 1 ~= 0 then
        local message = '--input-tokens "%s": it must be a number, 1024, or a range, 256-1024'
        error(message:format(text), 0)
    end
    return low, high
end

local function check(opts, low, prefix)
    checked(tokenizer.vocabulary())
    if prefix >= low then
        local message = "--prefix-tokens %d leaves nothing of prompts of %d tokens that differs"
        error(message:format(prefix, low), 0)
    end
    if not opts.number and not opts.duration and not opts.runtime then
        error("--dataset random never ends; say when the run does: --number or --duration", 0)
    end
end

return {
    build_messages = function(opts, ctx)
        local low, high = range_of(opts.input_tokens or "1024")
        local common = opts.prefix_tokens or 0
        check(opts, low, common)
        local draw = drawer(ctx.seed)
        local pool, prefix, number = find_pool(draw), {}, 0
        if common > 0 then
            prefix = select(2, exact_text(common, {}, pool, draw))
        end
        return function()
            number = number + 1
            local own = drawer(ctx.seed + number * 1000003)
            local count = low + own(high - low + 1) - 1
            return { prompt = (exact_text(count, prefix, pool, own)), tokens = count }
        end
    end,
}
