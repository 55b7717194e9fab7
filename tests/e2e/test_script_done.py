"""Hooks in main and shared counters: what scripts are told of a run, and where what they say of it appears."""
import json
import math
import os
import re
import unittest
import urllib.request

from harness import Case, judged_by_the_clock

# Everything that done is told; longer than a line of the report may be, so it goes into the log.
LOGS = """
local json, log = require "json", require "log"
return { done = function(summary) log.info("%s", json.encode(summary)) end }
"""


def flat(value, at=""):
    """{"a.b": 1, …}; what is empty or null in the report is nothing in Lua."""
    if isinstance(value, dict):
        return {key: found for name, item in value.items() for key, found in flat(item, f"{at}.{name}" if at else name).items()}
    return {} if value is None or value == [] else {at: value}


class HooksOfMain(Case):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.root = self.mock("--ttft", "20ms", "--itl", "2ms", "--tokens", 8)

    def run_script(self, text, *args, **more):
        return self.run_against(self.root, "--script", self.write("hooks.lua", text), "--stream", *args, **more)

    def log(self):
        with open(self.path("outputs/run.log"), encoding="utf-8") as text:
            return text.read()

    def seen(self):
        with urllib.request.urlopen(self.root + "/stats") as answer:
            return json.load(answer)

    def check_same(self, mine, report, what=""):
        """Number by number: the report's writer drops a last digit at times."""
        mine, report = flat(mine), flat(report)
        self.assertEqual(set(mine), set(report), what)
        for key, value in report.items():
            if isinstance(value, float):
                self.assertTrue(math.isclose(mine[key], value, rel_tol=1e-14), (what, key, mine[key], value))
            else:
                self.assertEqual(mine[key], value, (what, key))

    # ---- done ----

    def test_the_summary_is_the_json_report(self):
        report, _ = self.run_script(LOGS, "-n", 30, "--parallel", 3)
        summary = json.loads(re.search(r"info: (\{.*\})", self.log()).group(1))
        self.assertEqual([summary[key] for key in ("stage", "last", "end", "interrupted")], [0, True, "number", False])
        self.assertAlmostEqual(summary["window"], report["window"]["seconds"], places=9)
        self.check_same({key: summary[key] for key in ("outcomes", "tokens", "events", "trust", "verdict")},
                        {"outcomes": report["counts"].pop("by_outcome"),
                         **{key: report[key] for key in ("tokens", "events", "trust", "verdict")}})
        self.assertEqual({key: summary[key] for key in report["counts"]}, report["counts"])
        for whole, mine in ((report["metrics"], summary["metrics"]), (report["steady"]["metrics"], summary["steady"]["metrics"])):
            self.assertEqual(set(mine), set(whole))
            for name, metric in whole.items():
                self.check_same(mine[name], metric, name)
        self.assertGreater(len(flat(summary)), 300)

    @judged_by_the_clock
    def test_every_documented_field_is_there_and_no_other(self):
        contract = self.llmbench("--help=lua-md", expect=0).out

        def rows(kind):
            table = contract.split(f"<!-- table {kind} -->")[1].split("<!-- end -->")[0]
            return set(re.findall(r"^\| `(\w+)`", table, re.M))
        self.run_script("""
            local log = require "log"
            local function names(of)
                local list = {}
                for name in pairs(of) do list[#list + 1] = name end
                return table.concat(list, " ")
            end
            return {
                interval = function(stats) log.info("stats: %s", names(stats)) end,
                done = function(summary) log.info("summary: %s", names(summary)) end,
            }""", "--duration", "2500ms", "--number", "1000000")
        told = [set(line.split()) for line in re.findall(r"info: stats: (.*)", self.log())][-1]
        self.assertEqual(told, rows("stats"))
        told = set(re.search(r"info: summary: (.*)", self.log()).group(1).split())
        self.assertEqual(told | {"felt", "stop_reason"}, rows("summary"))  # nil in a run without failures

    def test_lines_and_metrics_go_everywhere(self):
        report, result = self.run_script("""return { done = function(summary)
            return { lines = { "a   b", "one\\ntwo", "" },
                     metrics = { { name = "per_s", title = "Own rate", unit = "1/s", value = summary.ok / 2 } } }
        end }""", "-n", 6)
        lines = ["a   b", "one", "two", ""]
        self.assertIn("\nScript\n" + "".join(f"  {line}\n" for line in lines), result.out)
        self.assertRegex(result.out, r"Own rate.*3\b")
        self.assertEqual(report["script"], {"shared": {}, "lines": lines, "error": None})
        self.assertEqual(report["metrics"]["per_s"]["value"], 3)
        base = self.database()
        self.assertEqual(json.loads(base.execute("SELECT script FROM stage").fetchone()[0]), report["script"])
        self.assertEqual([tuple(row) for row in base.execute("SELECT part, statistic, value FROM summary WHERE metric = 'per_s'")],
                         [("whole", "value", 3)])
        self.assertIn("stage 0: a   b\n", self.log())

    def test_once_a_stage_and_the_last_one_knows(self):
        report, result = self.run_script(
            "return { done = function(s) return s.stage .. ' ' .. s.ok .. ' ' .. tostring(s.last) end }",
            "--parallel", "1,2", "-n", "3,4", "--warmup-num", 2, "--sleep-interval", "0s")
        self.assertEqual([stage["script"]["lines"] for stage in report["stages"]], [["1 3 false"], ["2 4 true"]])
        self.assertEqual(result.out.count("\nScript\n"), 2)

    @judged_by_the_clock
    def test_text_of_scripts_is_harmless(self):
        report, result = self.run_script("""
            secret("hush-hush-hush")
            local evil = "\\27[31m\\7\\r\\8 hush-hush-hush \\255 \\226\\128\\174x"
            require("shared").add("hush-hush-hush")
            return {
                interval = function() return evil end,
                done = function() return { lines = { evil } } end
            }""", "--duration", "2500ms", "--number", "1000000")
        for text in (result.out, result.err, self.log()):
            self.assertNotIn("hush-hush-hush", text)
            self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f\u202e]")
            self.assertIn("\\x1b[31m", text)
        self.assertNotIn("hush-hush-hush", json.dumps(report))
        self.assertNotIn("hush-hush-hush", self.database().execute("SELECT script FROM stage").fetchone()[0])

    def test_wrong_results_lose_nothing(self):
        cases = [
            ("error('no way')", "no way", []),
            ("return 7", "must return nil, a string or a table, not a number", []),
            ("return nil, 'why'", 'gave nil and "why"', []),
            ("return 'a', 'b'", "must return one value, not 2 values", []),
            ("return { 'a', 5 }", "its result[2] must be a string, not a number", ["a"]),
            ("return { 'a', x = 1 }", "its result must be a list; it has a field named by a string", []),
            ("return { line = { 'a' } }", "unknown field 'line' (did you mean 'lines'?)", []),
            ("return { lines = 'a' }", "'lines' must be a table, not a string", []),
            ("return { lines = { 'a', 'b\\0c' } }", "line 2 of its result holds a NUL byte", ["a"]),
            ("return { lines = { 'a', ('x'):rep(1001) } }", "line 2 of its result has 1001 bytes; a line may have 1000", ["a"]),
            ("return { lines = { 'a', ('x\\n'):rep(200) } }", "its result has more than 200 lines", ["a"]),
            ("return { lines = { 'a' }, metrics = { 5 } }", "metrics[1] must be a table", ["a"]),
            ("return { lines = { 'a' }, metrics = { { name = 'x' } } }", "metrics[1]: 'value' must be", ["a"]),
            ("return { lines = { 'a' }, metrics = { { value = 1 } } }", "metrics[1]: 'name' must be a string, not nil", ["a"]),
            ("return { lines = { 'a' }, metrics = { { name = 'x', value = 1/0 } } }", "must be a finite number, not inf", ["a"]),
            ("return { lines = { 'a' }, metrics = { { name = 'x', value = 0/0 } } }", "'value' must be", ["a"]),
            ("return { lines = { 'a' }, metrics = { { name = 'ttft', value = 1 } } }", "built-in metric", ["a"]),
            ("return { lines = { 'a' }, metrics = { { name = 'X y', value = 1 } } }", "lower-case letters", ["a"]),
            ("return { lines = { 'a' }, metrics = { { name = 'x', value = 1 }, { name = 'x', value = 2 } } }", "two metrics", ["a"]),
            ("return { lines = { 'a' }, metrics = { { name = 'x', value = 1, units = 's' } } }", "did you mean 'unit'?", ["a"]),
            ("return { lines = { 'a' }, metrics = { x = 1 } }", "metrics must be a list", ["a"]),
            ("local m = {} for i = 1, 33 do m[i] = { name = 'm' .. i, value = i } end return { metrics = m }", "at most 32", []),
            ("local t = {} t[1] = 'a' t[3] = 'b' t[4] = 'c' return { lines = t }", "lines", []),
        ]
        for number, (body, sentence, kept) in enumerate(cases):
            with self.subTest(body):
                report, result = self.run_script(f"return {{ done = function(s) {body} end }}", "-n", 2, "--name", f"c{number}")
                self.assertEqual(report["counts"]["ok"], 2)
                self.assertIn(sentence, report["script"]["error"])
                self.assertRegex(report["script"]["error"], r"^[^ ]*hooks\.lua:1: done: |^done: [^ ]*hooks\.lua:1: ")
                self.assertEqual(report["script"]["lines"][:1], kept)
                self.assertRegex(result.out, "Failed: .*done: ")
                self.assertRegex(result.err, "error: .*done: ")

    def given_up(self, hook):
        """ThreadSanitizer holds back the signal that interrupts a loop: what does not notice it is given up, and main
        with it; true: this was such a program."""
        if os.environ.get("LLMBENCH_SANITIZE") != "thread":
            return False
        script = self.write("hooks.lua", f"return {{ {hook} = function() while true do end end }}")
        result = self.llmbench("--script", script, "--url", self.root, "--model", "m", "--prompt", "x", "--duration", "5s",
                               "--hook-timeout", "500ms", "--name", "run", expect=1)
        self.assertRegex(result.err, hook + r" \([^ ]*hooks\.lua:1\): did not return within 0\.5 s; no report, the database")
        self.assertEqual(self.database().execute("SELECT count(*) FROM stage").fetchone()[0], 1)
        return True

    def test_a_done_that_does_not_return(self):
        if self.given_up("done"):
            return
        report, result = self.run_script("return { done = function() while true do end end }", "-n", 2, "--hook-timeout", "500ms")
        self.assertRegex(report["script"]["error"], r"hooks\.lua:1: did not return within 0.5 s")
        self.assertEqual(report["counts"]["ok"], 2)

    # ---- interval ----

    @judged_by_the_clock
    def test_interval_about_once_a_second(self):
        report, result = self.run_script("""
            local calls = 0
            return {
                setup = nil,
                interval = function(stats, ctx)
                    calls = calls + 1
                    return string.format("call %d at %.3f: %d of %d ok", calls, stats.elapsed, stats.ok, stats.ended)
                end
            }""", "--duration", "3500ms", "--number", "1000000", "--parallel", 2)
        said = re.findall(r"llmbench: call (\d+) at ([\d.]+): (\d+) of (\d+) ok", result.err)
        self.assertEqual([int(call) for call, *_ in said], [1, 2, 3])
        for call, at, ok, ended in said:
            self.assertAlmostEqual(float(at), int(call), delta=0.4)
            self.assertLessEqual(int(ok), int(ended))
        self.assertGreater(int(said[2][2]), int(said[0][2]))
        self.assertEqual(len(re.findall(r"info: call \d", self.log())), 3)
        self.assertIsNone(report["script"])

    @judged_by_the_clock
    def test_an_error_in_interval_is_told_once(self):
        for body, sentence, duration in (("error('oops')", "oops", "2300ms"),
                                         ("return 5", "must return nil or a string, not a number", "1300ms"),
                                         ("return ('x'):rep(4097)", "4097 bytes", "1300ms")):
            with self.subTest(body):
                report, result = self.run_script(f"return {{ interval = function() {body} end }}", "--duration", duration,
                                                 "--number", "1000000", "--name", "i" + str(len(body)))
                self.assertEqual(len(re.findall("error: .*interval: ", result.err)), 1)
                self.assertIn(sentence, result.err)
                self.assertIn("interval is not called again", result.err)
                self.assertEqual(report["end"]["reason"], "duration")

    @judged_by_the_clock
    def test_an_interval_that_does_not_return_ends_the_run(self):
        if self.given_up("interval"):
            return
        report, _ = self.run_script("return { interval = function() while true do end end }", "--duration", "20s",
                                    "--number", "1000000", "--hook-timeout", "500ms", expect=1)
        self.assertEqual(report["end"]["reason"], "hook_timeout")
        self.assertRegex(report["end"]["stop_reason"], r"interval.*hooks\.lua:1")
        self.assertGreater(report["counts"]["ok"], 0)

    # ---- shared ----

    def test_counters_of_all_threads_are_what_the_server_saw(self):
        script = """
            local shared, api = require "shared", require "apis.openai"
            local build, read, parse = api.build_request, api.read_event, api.parse_responses
            function api.setup() shared.add("set up") return { tag = "t" } end
            function api.build_request(m, o, ctx) shared.add("built") return build(m, o, ctx) end
            function api.parse_responses(r, q, ctx)
                local p, c = parse(r, q, ctx)
                shared.add("tokens", c) shared.add("answers") shared.max("last", ctx.index) shared.min("first", ctx.index)
                return p, c
            end
            function api.done(s, ctx)
                return string.format("%s %d %d %d %d", ctx.setup.tag, s.shared.answers, shared.get("answers"), shared.get("nobody"), s.shared.tokens)
            end
            return api"""
        report, result = self.run_against(self.root, "--stream", "-n", 60, "--parallel", 6, "--threads", 3,
                                          api=self.write("api.lua", script))
        seen = self.seen()
        self.assertEqual(report["script"]["shared"], {"set up": 1, "built": 60, "answers": 60, "tokens": 480, "last": 59, "first": 0})
        self.assertEqual(seen["requests"]["chat"], 60)
        self.assertEqual(report["script"]["lines"], ["t 60 60 0 480"])
        self.assertRegex(result.out, r"Shared counters\n  answers +60\n  built +60\n")

    def test_mistakes_with_counters(self):
        cases = [("shared.add('')", "empty"), ("shared.add(('x'):rep(64))", "64 bytes; it may have 63"),
                 ("shared.add('a', 1/0)", "finite"), ("shared.add('a', 0/0)", "finite"), ("shared.add('a', '1')", "number expected"),
                 ("shared.add(5)", "string expected"), ("shared.add('a\\27')", "control characters"), ("shared.add('\\255')", "UTF-8"),
                 ("shared.add('a') shared.max('a', 1)", "'a' is a sum already and cannot be a maximum too"),
                 ("shared.add('a', 1e308) shared.add('a', 1e308)", "largest"),
                 ("for i = 1, 300 do shared.add('n' .. i) end", "'n257' would be one counter too many: there are 256")]
        for code, sentence in cases:
            with self.subTest(code):
                script = self.write("bad.lua", f"local shared = require 'shared' local api = require 'apis.openai' "
                                               f"function api.setup() {code} end return api")
                result = self.llmbench("--api", script, "--url", self.root, "--prompt", "x", "--model", "m", expect=3)
                self.assertIn(sentence, result.err)
                self.assertIn("bad.lua:1", result.err)

    # ---- where hooks may stand ----

    def test_where_hooks_may_stand(self):
        hooks = "return { done = function() return 'from hooks' end }"
        own = ("local api = require 'apis.openai' api.done = function() return 'from api' end return api")
        for name, script, api, lines in (("h", hooks, "openai", ["from hooks"]), ("a", None, own, ["from api"]),
                                         ("b", hooks, own, ["from hooks"])):
            words = ["--script", self.write("h.lua", script)] if script else []
            api = self.write("own.lua", api) if "return" in api else api
            report, _ = self.run_against(self.root, "-n", 1, "--name", name, *words, api=api)
            self.assertEqual(report["script"]["lines"], lines, name)
        data = ("local n = 0 return { build_messages = function() return function() n = n + 1 return n < 3 and 'x' or nil end end,"
                " done = function(s) return 'ok ' .. s.ok end }")
        report, _ = self.run_against(self.root, "--script", self.write("d.lua", data), "--name", "d", dataset=None)
        self.assertEqual(report["script"]["lines"], ["ok 2"])
        result = self.llmbench("--dataset", self.path("d.lua"), "--url", self.root, "--model", "m", expect=3)
        self.assertIn("'done' is called of an API script or of the file of --script alone", result.err)
        result = self.llmbench("--script", self.write("p.lua", "return { done = function() end, path = '/x' }"), "--url", self.root,
                               "--prompt", "x", "--model", "m", expect=3)
        self.assertIn("the hook 'build_request(messages, opts, ctx)' is missing", result.err)
        result = self.llmbench("--script", self.write("q.lua", "return { done = 5 }"), "--url", self.root, "--prompt", "x",
                               "--model", "m", expect=3)
        self.assertIn("'done' must be a function, not 5", result.err)

    def test_main_is_opened_for_hooks_alone(self):
        text = "require('log').info('loaded') local api = require 'apis.openai' %s return api"
        for name, extra, states in (("without", "", 3), ("with", "api.done = function() end", 4)):  # composer, two scorers
            self.run_against(self.root, "-n", 4, "--parallel", 2, "--threads", 2, "--name", name,
                             api=self.write(f"{name}.lua", text % extra))
            with open(self.path(f"outputs/{name}.log"), encoding="utf-8") as log:
                loads = log.read().count("info: loaded")
            self.assertEqual(loads, states, name)


if __name__ == "__main__":
    unittest.main()
