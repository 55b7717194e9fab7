-- Qianfan's text format: each line that is not blank is one prompt.
return require("datasets.line_by_line")
