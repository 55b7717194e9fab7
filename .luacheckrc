std = "luajit"
max_line_length = 100
read_globals = { "secret" }
-- the prelude replaces what a script must not do with what it may
files["lua/bench.lua"] = { globals = { "print" } }
files["lua/llmbench.lua"] = {
    globals = { "print", "load", "loadstring", "loadfile", "dofile", "os", "debug", "newproxy", "require", "coroutine" },
}
