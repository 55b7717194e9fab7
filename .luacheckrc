std = "luajit"
max_line_length = 100
-- the prelude replaces what a script must not do with what it may
files["lua/llmbench.lua"] = {
    globals = { "print", "load", "loadstring", "loadfile", "dofile", "os" },
}
