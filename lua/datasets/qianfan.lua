-- Any of Qianfan's three formats: the file's ending decides, without a known one its content.
local dataset = require("dataset")
local json = require("json")
local log = require("log")

local endings = { jsonl = "qianfan_jsonl", json = "qianfan_json", txt = "qianfan_txt" }

-- One JSON value a line, if the first two lines are; one list, if it begins like one; else text.
local function by_content(path)
    local whole, begins = 0, nil
    for line in dataset.lines(path) do
        if line:find("%S") then
            begins = begins or line:match("%S")
            if not json.decode(line) then
                break
            end
            whole = whole + 1
            if whole == 2 then
                return "qianfan_jsonl"
            end
        end
    end
    return begins == "[" and "qianfan_json" or "qianfan_txt"
end

return {
    build_messages = function(opts, ctx)
        local path = opts.dataset_path
        if not path then
            error("qianfan reads a file: name it by --dataset-path FILE", 0)
        end
        local name = endings[path:lower():match("%.(%w+)$")] or by_content(path)
        log.debug("%s is read as %s", path, name)
        return require("datasets." .. name).build_messages(opts, ctx)
    end,
}
