"""llmbench experiment: runs driven from Lua, each a stage of one database."""
import json
import os
import re
import signal
import threading
import unittest

from harness import SANITIZED, SOURCE, Case, GOOD, ScriptedServer, judged_by_the_clock, plain, read_request, stats, wait_for

BENCH = 'local bench = require "bench"\n'
QUIET = 'report = "none"'


def blocks(page):
    with open(os.path.join(SOURCE, page), encoding="utf-8") as text:
        return re.findall(r"```lua\n(.*?)```", text.read(), re.S)


class ExperimentCase(Case):
    def options(self, url):
        return ["--url", url, "--model", "m", "--stream", "--offline", "--name", "run", "--json", "report.json"]

    def experiment(self, lua, url, *args, expect=0, **more):
        """Runs the Lua text; returns its result."""
        self.write("mine.lua", BENCH + lua)
        return self.llmbench("experiment", "./mine.lua", *self.options(url), *args, expect=expect, **more)

    def report(self):
        with open(self.path("report.json"), encoding="utf-8") as text:
            return json.load(text)

    def asked(self, stage):
        return [row["request"] for row in self.database().execute(
            "SELECT request FROM result WHERE stage=? ORDER BY arrival", (stage,))]


class Runs(ExperimentCase):
    def setUp(self):
        super().setUp()
        self.url = self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", "3")

    def test_each_run_is_a_stage_of_one_database(self):
        result = self.experiment("""
            local a = bench.run{parallel = 4, number = 20, report = "none"}
            local b, c = bench.run{parallel = {1, 2}, number = {5, 6}, warmup_num = 3, sleep_interval = 0, quiet = true}
            print(a.stage, a.ok, b.stage, b.ok, c.stage, c.ok, a["end"], a.outcomes.ok)
            assert(a.metrics.ttft.p99 > 0.001 and a.metrics.ttft.p99 < 60 and a.verdict.sound ~= nil)
            assert(bench.value(a, "ttft.p99") == a.metrics.ttft.p99)
            assert(bench.value(a, "request_throughput") == a.metrics.request_throughput.value)
        """, self.url)
        self.assertEqual(result.out, "0\t20\t2\t5\t3\t6\tnumber\t20\n")
        base = self.database()
        self.assertEqual([tuple(row) for row in base.execute("SELECT id, warmup, ok FROM stage")],
                         [(0, 0, 20), (1, 1, None), (2, 0, 5), (3, 0, 6)])
        self.assertEqual(json.loads(base.execute("SELECT options FROM stage WHERE id=2").fetchone()[0]),
                         {"parallel": [1, 2], "number": [5, 6], "warmup_num": 3, "sleep_interval": 0, "quiet": True})
        run = base.execute("SELECT * FROM run").fetchall()
        self.assertEqual((len(run), run[0]["end_reason"], run[0]["interrupted"]), (1, "number", 0))
        arrivals = [row[0] for row in base.execute("SELECT arrival FROM result")]
        self.assertEqual(len(set(arrivals)), 34)
        stages = self.report()["stages"]
        self.assertEqual([stage["stage"] for stage in stages], [0, 2, 3])
        self.assertEqual([stage["counts"]["ok"] for stage in stages], [20, 5, 6])
        self.assertEqual(stages[0]["options"]["parallel"], [4])
        self.assertEqual(stats(self.url)["requests"]["chat"], 34)

    def test_no_run_repeats_prompts(self):
        self.experiment("""
            for i = 1, 3 do bench.run{parallel = 2, number = 30, quiet = true} end
            bench.run{number = 5, prompt = "another", quiet = true}
            bench.run{number = 150, parallel = 2, quiet = true}
            bench.run{number = 10, same_prompts = true, quiet = true}
        """, self.url)
        once = [text for stage in range(3) for text in self.asked(stage)]
        self.assertEqual(len(set(once)), 90)
        rest = self.asked(4)
        self.assertEqual(rest[110:], once[:40])  # 200 prompts, then from the beginning
        self.assertFalse(set(rest[:110]) & set(once))
        self.assertEqual(self.asked(5), once[:10])

    def test_what_a_run_is_given_goes_before_the_command_line(self):
        self.experiment("""
            bench.run{headers = {["X-A"] = "1"}, duration = false, max_tokens = 2, quiet = true}
            bench.run{duration = 0.2, number = false, quiet = true}
        """, self.url, "-n", 7, "-d", "20s", "--max-tokens", 9)
        counts = [stage["counts"]["ok"] for stage in self.report()["stages"]]
        self.assertEqual(counts[0], 7)
        self.assertEqual(json.loads(self.asked(0)[0])["max_tokens"], 2)
        self.assertEqual(json.loads(self.asked(1)[0])["max_tokens"], 9)
        ends = [row[0] for row in self.database().execute("SELECT end_reason FROM stage")]
        self.assertEqual(ends, ["number", "duration"])
        self.assertIsNone(self.report()["stages"][1]["options"]["number"])

    def test_reports_and_comparison(self):
        result = self.experiment("bench.run{number = 3}\nbench.run{number = 3}", self.url)
        self.assertEqual(result.out.count("Stages (times in seconds)"), 1)
        self.assertEqual(result.out.count("Percentiles"), 2)

    def test_json_on_stdout_has_it_to_itself(self):
        self.write("mine.lua", BENCH + "bench.run{number = 3}\nprint('hello')")
        result = self.llmbench("experiment", "./mine.lua", "--url", self.url, "--model", "m", "--offline", "--json", "-",
                               expect=0)
        self.assertEqual(json.loads(result.out)["stages"][0]["counts"]["ok"], 3)
        self.assertIn("hello\n", result.err)

    def test_keys_are_hidden(self):
        result = self.experiment("""
            bench.run{number = 2, quiet = true, api_key = "sesame-open-1"}
            print("sesame-open-1")
            bench.save("out.json", {key = "sesame-open-1"})
        """, self.url)
        self.assertEqual(result.out, "[redacted]\n")
        for name in ("outputs/run.db", "outputs/run.log", "report.json", "out.json"):
            with open(self.path(name), "rb") as file:
                self.assertNotIn(b"sesame-open-1", file.read(), name)

    def test_tables_and_files(self):
        result = self.experiment("""
            local rows = {{n = 1, name = "äö", share = 0.25, ok = true}, {n = 20, name = 'a,"b"', share = 1 / 3}}
            bench.table(rows, {"n", {"name", "Name"}, {"share", "Share", "%.2f"}, "ok"})
            bench.save("rows.csv", rows, {columns = {"n", {"name", "Name"}, "ok"}})
            bench.save("rows.json", rows)
            print(pcall(bench.save, "rows.json", {}))
            bench.save("rows.json", {1, 2}, {replace = true})
            print(bench.interval{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
            print(bench.interval{1})
        """, self.url)
        lines = result.out.splitlines()
        self.assertEqual(lines[:3], [" n  Name   Share  ok", " 1  äö      0.25  yes", '20  a,"b"   0.33  -'])
        self.assertIn("rows.json exists and is not overwritten", lines[3])
        mean, low, high = map(float, lines[4].split("\t"))
        self.assertEqual(mean, 5.5)
        self.assertAlmostEqual(low, 5.5 - 2.262157 * 3.02765 / 10 ** 0.5, 3)
        self.assertAlmostEqual(high, 5.5 + 2.262157 * 3.02765 / 10 ** 0.5, 3)
        self.assertEqual(lines[5], "1")
        with open(self.path("rows.csv"), encoding="utf-8", newline="") as text:
            self.assertEqual(text.read(), 'n,Name,ok\r\n1,äö,true\r\n20,"a,""b""",\r\n')
        with open(self.path("rows.json"), encoding="utf-8") as text:
            self.assertEqual(json.load(text), [1, 2])
        self.assertEqual([name for name in os.listdir(self.work) if name.endswith(".tmp")], [])


class Errors(ExperimentCase):
    CASES = [  # Lua, exit code, words of the sentence
        ("bench.run{paralel = 4}", 2, "mine.lua:2: bench.run: unknown option 'paralel'; did you mean 'parallel'?"),
        ("bench.run{parallel = '4'}", 2, '"parallel" must be a number or a list of numbers, not a text'),
        ("bench.run{parallel = 0}", 2, "--parallel"),
        ("bench.run{rate = 1, spawn_rate = 2}", 2, "--spawn-rate adds users to a closed loop"),
        ("bench.run{name = 'x'}", 2, '"name" belongs to the experiment as a whole'),
        ("bench.run{config = 'x'}", 2, '"config" belongs on the command line'),
        ("bench.run{report = 'nothing'}", 2, "--report nothing"),
        ("bench.run(4)", 3, "bench.run takes a table of options, not number"),
        ("bench.run{number = 2, fn = print}", 3, "function"),
        ("bench.run{url = 'http://127.0.0.1:1'}", 3, "mine.lua:2: cannot reach http://127.0.0.1:1"),
        ("bench.run{api = 'opnai'}", 3, "--api opnai"),
        ("bench.run{number = 1, quiet = true}\nbench.run{api = 'opnai'}", 3, "--api opnai"),
        ("bench.run{number = 1, quiet = true}\nerror('no more')", 1, "mine.lua:3: no more"),
        ("error('at once')", 3, "mine.lua:2: at once"),
        ("x = = 1", 3, "mine.lua:2: unexpected symbol"),
        ("bench.options{{name = 'parallel'}}", 3, "--parallel is an option of the program"),
        ("bench.options{{nam = 'x'}}", 3, "mine.lua:2: bench.options: options[1]: unknown field 'nam' (did you mean 'name'?)"),
        ("bench.options{{name = 'x', type = 'integer', required = true}}", 2, "--x is required"),
        ("bench.options{}\nbench.options{}", 3, "bench.options comes once, and before the first bench.run"),
        ("bench.options{{name = 'x'}}\nbench.run{x = 'y'}", 2, '"x" belongs to the experiment as a whole'),
        ("local r = bench.run{number = 1, quiet = true}\nbench.value(r, 'ttf.p99')", 1, 'no metric "ttf.p99"; did you mean ttfa, ttfa_from_due, ttfb, ttfc, ttft, ttft_from_due?'),
        ("local r = bench.run{number = 1, quiet = true}\nbench.value(r, 'throughput')", 1, 'no metric "throughput"; did you mean '
         "char_throughput, output_throughput, request_throughput, total_throughput?"),
        ("local r = bench.run{number = 1, quiet = true}\nbench.value(r, 'lateny.p50')", 1, "did you mean latency?"),
        ("local r = bench.run{number = 1, quiet = true}\nbench.value(r, 'speed of light')", 1, "llmbench --help=lua lists them"),
        ("local r = bench.run{number = 1, quiet = true}\nbench.value(r, 'ttft.p98_5')", 1, 'is no statistic'),
        ("bench.save('/nowhere/x.json', {})", 3, "cannot write /nowhere/x.json"),
        ("bench.save('x.json', print)", 3, "mine.lua:2: bench.save: value: a function cannot be JSON"),
        ("bench.value({}, 'ttft.p99')", 3, "mine.lua:2: bench.value takes what bench.run returned"),
        ("bench.rum{}", 3, "mine.lua:2: the module 'bench' has no 'rum'"),
    ]

    def test_sentences_and_exit_codes(self):
        url = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", "2")
        for lua, code, words in self.CASES:
            with self.subTest(lua):
                result = self.experiment(lua, url, "--name", str(abs(hash(lua))), expect=code)
                self.assertIn(words, result.err)

    def test_wrong_words(self):
        for words, sentence in [
                (["experiment"], "which experiment?"),
                (["experiment", "--url", "http://x", "sweep"], "it comes first"),
                (["experiment", "sweeep"], "did you mean sweep?"),
                (["experiment", "sweep", "--lvels", "3"], "did you mean --levels?"),
                (["experiment", "sweep", "--levels", "x"], "--levels"),
                (["experiment", "sweep"], "which server?")]:
            result = self.llmbench(*words)
            self.assertIn(sentence, result.err)
            self.assertEqual(result.code, 3 if "sweeep" in words else 2, words)
        self.assertFalse(os.path.exists(self.path("outputs")))

    def test_an_experiment_may_go_on(self):
        url = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", "2")
        result = self.experiment("""
            print(pcall(bench.run, {url = "http://127.0.0.1:1"}))
            print(bench.run{number = 3, quiet = true}.ok)
        """, url)
        self.assertRegex(result.out, r"false\t.*cannot reach .*\n3\n$")
        self.assertEqual(len(self.report()["stages"]), 1)

    @unittest.skipIf(os.environ.get("LLMBENCH_SANITIZE") == "thread",
                     "ThreadSanitizer holds back the signal that interrupts a loop, so that it is given up")
    @judged_by_the_clock
    def test_a_run_whose_hook_does_not_return_is_not_the_last(self):
        url = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", "2")
        self.write("slow.lua", 'local api = require "apis.openai"\n'
                               'function api.read_event() while true do end end\nreturn api')
        result = self.experiment("""
            print(bench.run{number = 3, quiet = true, script = "./slow.lua", hook_timeout = 0.2}["end"])
            print(bench.run{number = 3, quiet = true}.ok)
        """, url, expect=1)
        self.assertEqual(result.out, "hook_timeout\n3\n")
        self.assertNotIn("cannot write", result.err)
        self.assertEqual([row[0] for row in self.database().execute("SELECT ok FROM stage ORDER BY id")], [0, 3])

    def test_nothing_succeeded(self):
        def serve(connection, _):
            while read_request(connection):
                connection.sendall(plain({"error": {"message": "no"}}, "500 No"))
        with ScriptedServer(serve) as server:
            result = self.experiment("print(bench.run{number = 3, quiet = true}.outcomes.http_5xx)", server.url, expect=1)
            told = self.experiment("bench.run{number = 3, report = 'none'}", server.url, "--name", "told", "-q", expect=1)
        self.assertEqual(result.out, "3\n")
        for said in (result, told):
            self.assertRegex(said.err, r"stage 0 \(1 parallel\): no request succeeded: http_5xx: HTTP 500: .*no")

    def test_bench_is_for_experiments(self):
        script = self.write("api.lua", 'require "bench"\nreturn {}')
        result = self.llmbench("--url", "http://127.0.0.1:9", "-s", script, expect=3)
        self.assertIn("in an experiment only", result.err)


class Interrupts(ExperimentCase):
    def interrupt(self, lua, ready, *args):
        url = self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", "3")
        self.write("mine.lua", BENCH + lua)
        process = self.spawn("experiment", "./mine.lua", *self.options(url), *args)
        ready(process, url)
        process.send_signal(signal.SIGINT)
        return self.wait(process)

    def test_the_run_drains_and_no_other_begins(self):
        result = self.interrupt("""
            local r = bench.run{number = 1000000, parallel = 2, quiet = true}
            print(r.interrupted, r["end"], r.ok > 0, r.failed)
            print(pcall(bench.run, {number = 1}))
            print("saved")
            bench.run{number = 1}
        """, lambda _, url: wait_for(lambda: stats(url)["requests"]["chat"] >= 50, what="requests"))
        self.assertEqual(result.code, 130, result.err)
        self.assertEqual(result.out, "true\tinterrupted\ttrue\t0\nfalse\tinterrupted\nsaved\n")
        run = self.database().execute("SELECT interrupted, end_reason FROM run").fetchone()
        self.assertEqual(tuple(run), (1, "interrupted"))
        self.assertTrue(self.report()["interrupted"])

    def test_lua_that_never_ends(self):
        for lua in ("while true do end", "while true do pcall(error) end",
                    "local function f() while true do end end\nwhile true do pcall(f) end"):
            with self.subTest(lua):
                name = str(abs(hash(lua)))
                result = self.interrupt("bench.run{number = 5, quiet = true}\nprint('now')\n" + lua,
                                        lambda process, _: process.stdout.readline(), "--name", name)
                self.assertEqual(result.code, 130, result.err)
                self.assertEqual(self.report()["stages"][0]["counts"]["ok"], 5)


class Shipped(ExperimentCase):
    def shipped(self, name, url, *args, **more):
        return self.llmbench("experiment", name, *self.options(url), *args, **more)

    @judged_by_the_clock
    def test_sweep(self):
        url = self.mock("--ttft", "20ms", "--itl", "2ms", "--tokens", "5", "--jitter", "0")
        result = self.shipped("sweep", url, "--levels", "1,4", "-n", "40", expect=0)
        rows = [line.split() for line in result.out.splitlines()]
        self.assertEqual([row[:3] for row in rows[1:]], [["1", "40", "0"], ["4", "40", "0"]])
        self.assertGreater(float(rows[2][3]), 2.5 * float(rows[1][3]))
        self.assertEqual(stats(url)["in_flight"]["max"], 4)
        result = self.shipped("sweep", url, "--by", "rate", "--levels", "40", "-n", "20", "--name", "rates", expect=0)
        self.assertEqual(result.out.splitlines()[1].split()[:2], ["40", "20"])

    @unittest.skipIf(SANITIZED, "a sanitized program cannot hold the rates")
    @judged_by_the_clock
    def test_capacity_is_bracketed(self):
        # 8 slots, 80 ms an answer: 100 a second, and no more
        url = self.mock("--slots", "8", "--ttft", "20ms", "--itl", "12ms", "--tokens", "6", "--jitter", "0")
        result = self.shipped("capacity", url, "--from", "70", "--samples", "120", "--step-time", "0", "--within", "10%",
                              "--under", "80ms", "--arrival", "constant", expect=0)
        held = float(re.search(r"highest rate that held: ([\d.]+)/s", result.out).group(1))
        lost = float(re.search(r"lowest that did not: ([\d.]+)/s", result.out).group(1))
        self.assertLess(held, lost)
        self.assertLessEqual(lost, held * 1.1 + 0.01)
        self.assertLess(held, 110, result.out)
        self.assertGreater(lost, 85, result.out)

    @judged_by_the_clock
    def test_capacity_says_when_the_first_rate_fails(self):
        url = self.mock("--ttft", "60ms", "--itl", "0", "--tokens", "1")
        result = self.shipped("capacity", url, "--from", "400", "--samples", "100", "--step-time", "0", "--under", "30ms",
                              expect=0)
        self.assertIn("the first rate did not hold", result.out)
        self.assertNotIn("highest rate that held", result.out)
        result = self.shipped("capacity", url, "--from", "200", "--most", "300", "--samples", "100", "--step-time", "0",
                              "--under", "2s", "--name", "all", expect=0)
        self.assertIn("no rate failed", result.out)

    @judged_by_the_clock
    def test_ab(self):
        first, second = (self.mock("--ttft", ttft, "--itl", "0", "--tokens", "2", "--jitter", "10%")
                         for ttft in ("10ms", "30ms"))
        result = self.shipped("ab", first, "--b", "url=" + second, "-n", "12", "-c", "4", "--rounds", "4", expect=0)
        mean, low, high = map(float, re.search(r"4 rounds: (\S+), 95 % interval (\S+) to (\S+) ", result.out).groups())
        self.assertTrue(low < mean < high and 0.015 < mean < 0.03, result.out)
        self.assertIn("0 is outside", result.out)
        urls = [json.loads(row[0]).get("url") for row in self.database().execute("SELECT options FROM stage ORDER BY id")]
        self.assertEqual([url is not None for url in urls], [False, True, True, False, False, True, True, False])
        self.assertEqual([stats(url)["requests"]["chat"] for url in (first, second)], [48, 48])
        result = self.shipped("ab", first, "--b", "max_tokens=2", "-n", "12", "-c", "4", "--name", "same", expect=0)
        self.assertIn(" over 6 rounds", result.out)
        self.assertIn("what differs?", self.shipped("ab", first, "--name", "none", expect=3).err)

    @judged_by_the_clock
    def test_soak_ends_when_too_much_fails(self):
        count, lock = [0], threading.Lock()

        def serve(connection, _):
            while read_request(connection):
                with lock:
                    count[0] += 1
                    good = count[0] <= 60 or count[0] % 2
                connection.sendall(GOOD if good else plain({"error": {"message": "worn out"}}, "503 No"))
        with ScriptedServer(serve) as server:
            result = self.shipped("soak", server.url, "--slice", "0.3s", "--total", "60s", "--rate", "60", expect=0)
        self.assertRegex(result.out, r"ended after \d+ s and \d+ slices: \d+\.\d+ % failed, more than 1 %")
        self.assertGreater(len(result.out.splitlines()), 3)

    @judged_by_the_clock
    def test_soak_ends_in_time(self):
        url = self.mock("--ttft", "5ms", "--itl", "0", "--tokens", "2")
        result = self.shipped("soak", url, "--slice", "0.3s", "--total", "0.8s", expect=0)
        self.assertRegex(result.out, r"[1-3] slices?: the time was over")

    def test_they_are_short(self):
        folder = os.path.join(SOURCE, "lua/experiments")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as text:
                self.assertLessEqual(len(text.readlines()), 80, name)

    def test_help_shows_their_options(self):
        for name, option in [("sweep", "--levels"), ("capacity", "--within"), ("ab", "--rounds"), ("soak", "--slice")]:
            self.assertIn(option, self.llmbench("experiment", name, "--help", expect=0).out)
        self.assertIn("ab capacity soak sweep", self.llmbench("experiment", "--help", expect=0).out)
        mine = self.write("mine.lua", BENCH + "bench.run{number = 1}\nerror('not reached')")
        self.assertNotIn("not reached", self.llmbench("experiment", mine, "--help", expect=0).err)


class Page(ExperimentCase):
    def test_the_blocks_run(self):
        url = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", "2")
        levels, rounds = blocks("docs/experiments.md")
        self.write("levels.lua", levels)
        result = self.llmbench("experiment", "./levels.lua", *self.options(url), expect=0)
        self.assertEqual(len(result.out.splitlines()), 4)
        with open(self.path("levels.csv"), encoding="utf-8") as text:
            self.assertEqual(len(text.readlines()), 4)
        self.write("rounds.lua", rounds)
        result = self.llmbench("experiment", "./rounds.lua", *self.options(url), "--name", "two", "--rounds", 2, expect=0)
        self.assertRegex(result.out, r"^\d+\.\d\d req/s \(-?\d+\.\d\d to \d+\.\d\d\)\n$")
        self.assertEqual(stats(url)["requests"]["chat"], 160)


if __name__ == "__main__":
    unittest.main()
