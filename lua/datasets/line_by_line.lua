-- A text file: each line that is not blank is one prompt.
local dataset = require("dataset")

return {
    build_messages = function(opts)
        if not opts.dataset_path then
            error("line_by_line reads a text file: name it by --dataset-path FILE", 0)
        end
        local lines = dataset.lines(opts.dataset_path)
        return function()
            for line in lines do
                if line:find("%S") then
                    return line
                end
            end
        end
    end,
}
