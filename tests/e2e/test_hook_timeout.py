"""Hooks that do not return: the run ends in bounded time, with its report, and no request is lost."""
import os
import signal
import time
import unittest

from harness import Case, judged_by_the_clock, wait_for

LIMIT = 0.3
BOUND = 90  # seconds for a whole run; without the limit none of these would end

# A loop that LuaJIT runs as it stands, one that it compiles (and then looks at nothing), and a C function.
LOOPS = {
    "interpreted": "local function spin() while true do end end",
    "compiled": "jit.on() local function spin() local n = 0 while true do n = n + 1 end end",
    "in C": "local function spin() local s = ('a'):rep(30) s:find(('a?'):rep(30) .. ('a'):rep(30)) end",
    "caught": "local function spin() while true do pcall(function() while true do end end) end end",
}

SCRIPT = """local api = require "apis.openai"
%s
local build, read, parse = api.build_request, api.read_event, api.parse_responses
function api.build_messages()
    local n = 0
    return function()
        n = n + 1
        if n <= 40 then return "prompt " .. n end
    end
end
%s
return api
"""

# Every hook with the first two, one hook with the others.
EVERYWHERE = ("interpreted", "compiled")

BEFORE = {
    "loading": ("spin()", "s.lua"),
    "setup": ("function api.setup() spin() end", "setup"),
    "build_messages": ("function api.build_messages() spin() end", "build_messages"),
    "first item": ("function api.build_messages() return function() spin() end end", "s.lua"),
}

DURING = {
    "build_request": "function api.build_request(m, o, ctx) if ctx.index == 6 then spin() end return build(m, o, ctx) end",
    "read_event": "function api.read_event(d, n, ctx) if ctx.index == 6 then spin() end return read(d, n, ctx) end",
    "parse_responses":
        "function api.parse_responses(r, q, ctx) if ctx.index == 6 then spin() end return parse(r, q, ctx) end",
    "frame": "api.read_event = nil function api.frame(b, pos) if b:find('tok') then spin() end end",
    "the iterator": """function api.build_messages()
        local n = 0
        return function() n = n + 1 if n > 6 then spin() end return "prompt " .. n end
    end""",
}


class HookTimeout(Case):
    name = "run"

    def script(self, loop, hook):
        return self.write("s.lua", SCRIPT % (LOOPS[loop], hook))

    def run_script(self, url, script, *words, **more):
        return self.run_against(url, "--hook-timeout", LIMIT, "--name", self.name, *words, api=script, dataset=script, **more)

    def test_before_the_run(self):
        for loop in LOOPS:
            for name, (hook, said) in BEFORE.items():
                if loop not in EVERYWHERE and name != "setup":
                    continue
                with self.subTest(loop=loop, hook=name):
                    begin = time.monotonic()
                    result = self.llmbench("--url", "http://127.0.0.1:9/v1/chat/completions", "--model", "m", "--script",
                                           self.script(loop, hook), "--hook-timeout", LIMIT, "--offline", expect=3)
                    self.assertLess(time.monotonic() - begin, BOUND)
                    self.assertIn(said, result.err)
                    self.assertIn("did not return within 0.3 s", result.err)
                    self.assertIn("s.lua", result.err)
                    self.assertFalse(os.path.exists(self.path("outputs")))

    def check_ended(self, name, report, result, seconds):
        counts = report["counts"]
        self.assertLess(seconds, BOUND)
        self.assertEqual(report["end"]["reason"], "hook_timeout")
        self.assertRegex(report["end"]["stop_reason"], name + r".*s\.lua:\d+.*did not return within 0\.3 s")
        self.assertIn("did not return within 0.3 s", result.out)
        self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        rows = self.database(self.name).execute("SELECT arrival, outcome, error FROM result").fetchall()
        self.assertEqual(len(rows), counts["ok"] + counts["failed"] + counts["cancelled"])
        self.assertEqual(len({row["arrival"] for row in rows}), len(rows))
        self.assertEqual(self.database(self.name).execute("SELECT end_reason FROM run").fetchone()[0], "hook_timeout")
        return rows

    def test_during_the_run(self):
        for loop in LOOPS:
            for name in DURING:
                if loop in EVERYWHERE or name == "read_event":
                    with self.subTest(loop=loop, hook=name):
                        self.check_during(loop, name)

    @judged_by_the_clock
    def check_during(self, loop, name):
        url = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 3)
        self.name = f"{loop} {name}".replace(" ", "-")
        begin = time.monotonic()
        report, result = self.run_script(url, self.script(loop, DURING[name]), "--parallel", 4, "--stream", expect=1)
        rows = self.check_ended(name, report, result, time.monotonic() - begin)
        stuck = [row for row in rows if row["error"] and "did not return" in row["error"]]
        self.assertTrue(all(row["outcome"] == "script_error" for row in stuck))
        if name in ("read_event", "frame"):
            self.assertTrue(stuck)
        if name != "frame":
            self.assertGreaterEqual(report["counts"]["ok"], 4)

    @judged_by_the_clock
    def test_several_scorers_go_on(self):
        url = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 3)
        self.name = "several"
        report, _ = self.run_script(url, self.script("compiled", DURING["read_event"]), "--parallel", 4, "--threads", 4,
                                    "--stream", expect=1)
        rows = self.database(self.name).execute("SELECT arrival, outcome FROM result").fetchall()
        self.assertEqual([row["arrival"] for row in rows if row["outcome"] != "ok"], [6])
        self.assertEqual(report["counts"]["failed"], 1)

    @judged_by_the_clock
    def test_stages_that_would_follow(self):
        url = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 3)
        report, _ = self.run_script(url, self.script("compiled", DURING["build_request"]), "--parallel", "4,2", "--number", 20,
                                    expect=1)
        self.assertEqual(report["end"]["reason"], "hook_timeout")
        self.assertEqual(self.database().execute("SELECT count(DISTINCT stage) FROM result").fetchone()[0], 1)

    @judged_by_the_clock
    def test_a_slow_hook_is_left_alone(self):
        url = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 3)
        slow = """function api.setup()
            local time = require("time")
            time.sleep(1.2) -- waiting does not count
            local till = time.monotonic() + 0.1
            while time.monotonic() < till do end
        end"""
        report, _ = self.run_script(url, self.script("compiled", slow), "--number", 5)
        self.assertEqual(report["counts"]["ok"], 5)

    def test_ctrl_c_while_a_hook_is_stuck_before_the_run(self):
        for loop in LOOPS:
            for hook in ("function api.setup() spin() end", "function api.setup() require('time').sleep(3000) end"):
                with self.subTest(loop=loop, hook=hook):
                    process = self.spawn("--url", "http://127.0.0.1:9/v1/chat/completions", "--model", "m", "--script",
                                         self.script(loop, "print('in it') " + hook), "--hook-timeout", 0, "--offline")
                    wait_for(lambda: b"in it" in process.stderr.readline(), what="the hook")
                    time.sleep(0.2)
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(self.wait(process, BOUND).code, 130)


if __name__ == "__main__":
    unittest.main()
