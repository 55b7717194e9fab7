"""`llmbench report`: what a run printed and wrote, once more from its database; and what is left of a run that was killed."""
import json
import math
import os
import shutil
import sqlite3
import time
import unittest

from harness import Case, wait_for
from recompute import Recomputed, compare_report

# What no row holds; a run that came to its end has it stored beside them.
UNKNOWN_WHEN_CUT_OFF = ("loop_lag", "receive_delay", "worker_cpu_share", "process_cpu_s", "held", "starved", "outputs_s",
                        "bodies_left_out", "data_cycles", "warnings", "sinks_broken", "results_lost", "missing")


class ReportCommand(Case):
    def setUp(self):
        super().setUp()
        self.root = self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", 6)

    def again(self, name="run", *args, expect=0):
        result = self.llmbench("report", f"./outputs/{name}.db", "--json", "again.json", *args, expect=expect)
        with open(self.path("again.json"), encoding="utf-8") as text:
            return json.load(text), result

    def same(self, ours, theirs, where=""):
        """Equal field by field; sums of floats may have been added in another order by several scorers."""
        if isinstance(ours, dict) and isinstance(theirs, dict):
            self.assertEqual(sorted(ours), sorted(theirs), where)
            for key in ours:
                self.same(ours[key], theirs[key], f"{where}.{key}")
        elif isinstance(ours, list) and isinstance(theirs, list):
            self.assertEqual(len(ours), len(theirs), where)
            for i, (a, b) in enumerate(zip(ours, theirs)):
                self.same(a, b, f"{where}[{i}]")
        elif isinstance(ours, float) and isinstance(theirs, (int, float)) and not isinstance(theirs, bool):
            self.assertTrue(math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12), f"{where}: {ours} {theirs}")
        else:
            self.assertEqual(ours, theirs, where)

    def check(self, *args, expect=0, name="run", dataset="openqa", report=(), api="openai"):
        before, printed = self.run_against(self.root, "--name", name, *args, expect=expect, dataset=dataset, api=api)
        after, again = self.again(name, *report)
        self.same(before, after)
        self.assertEqual(printed.out, again.out)
        self.assertEqual(again.err, "")

    def test_closed_loop(self):
        self.check("-n", 40, "-c", 4, "--stream")

    def test_several_workers(self):
        self.check("-n", 60, "-c", 8, "-t", 3, "--stream")

    def test_by_time_with_a_drain(self):
        self.root = self.mock("--ttft", "150ms", "--itl", "30ms", "--tokens", 6)
        self.check("-d", "500ms", "-c", 4, "--stream")

    def test_open_loop(self):
        self.check("-n", 40, "--rate", 200, "--stream")
        self.check("-n", 40, "--rate", 400, "-c", 2, "--stream", name="capped")
        self.check("-n", 10, "--rate", -1, name="plain")

    def test_stages_and_a_warm_up(self):
        self.check("-n", 10, "-c", 1, 3, "--warmup-num", 4, "--sleep-interval", "0s", "--stream")
        report, result = self.again("run", "--stage", 2)
        self.assertEqual([stage["stage"] for stage in report["stages"]], [2])
        self.assertNotIn("Stages (times in seconds)", result.out)
        result = self.llmbench("report", "outputs/run.db", "--stage", 7, expect=3)
        self.assertIn("no such stage", result.err)

    def test_failures(self):
        script = self.write("half.lua", """
            local openai = require "apis.openai"
            local build = openai.build_request
            local faults = { [1] = "?status=500", [3] = "?error=2" }
            function openai.build_request(messages, opts, ctx)
                return build(messages, opts, ctx), { url = opts.url .. (faults[ctx.index % 4] or "") }
            end
            return openai""")
        self.check("-n", 30, "-c", 4, "--stream", api=script)

    def test_nothing_succeeds(self):
        self.root += "/x?status=500"
        before, printed = self.run_against(self.root, "-n", 3, expect=1, path="")
        after, again = self.again()
        self.same(before, after)
        self.assertEqual(printed.out, again.out)

    def test_what_scripts_say(self):
        script = self.write("own.lua", """
            local api, shared = require "apis.openai", require "shared"
            local build = api.build_request
            api.metrics = {
                { name = "zebra", unit = "bytes", title = "Zebra", of = function(sample) return 5 end },
                { name = "ant", unit = "s", formula = "half a second and more", of = function(sample, ctx)
                    if ctx.index % 3 == 0 then error("no ant") end return 0.5 + ctx.index end },
            }
            function api.build_request(...)
                shared.add("built")
                return build(...)
            end
            function api.done(summary)
                return { lines = { "well done", "é" }, metrics = { { name = "twice", unit = "count", value = 24 } } }
            end
            return api""")
        self.check("-n", 12, "-c", 2, "--stream", api=script)

    def test_conditions(self):
        before, printed = self.run_against(self.root, "-n", 8, "--stream", "--fail-on", "p50_ttft>10s", "--fail-on", "ok>3",
                                           expect=1)
        after, again = self.again(expect=1)
        self.same(before, after)
        self.assertEqual(printed.out, again.out)
        self.assertIn("FAIL", again.out)
        self.assertEqual(again.err, "llmbench report: stage 0 (1 parallel) fails --fail-on 'ok>3': 8\n")

    def judged(self, name, *conditions, words=(), expect=0):
        given = [word for condition in conditions for word in ("--fail-on", condition)]
        return self.llmbench("report", f"./outputs/{name}.db", "--report", "none", *given, *words, expect=expect).err

    def test_other_conditions(self):
        """In the place of the run's, by the rules of a run."""
        self.run_against(self.root, "-n", 4, "-c", 1, 2, "--sleep-interval", "0s", "--fail-on", "ok>3", expect=1)
        self.assertEqual(self.judged("run", "p50_latency>60s", "failed>0"), "")
        self.assertEqual(self.judged("run", "max_concurrency>=2", expect=1),
                         "llmbench report: stage 1 (2 parallel) fails --fail-on 'max_concurrency>=2': 2\n")
        self.assertEqual(self.judged("run", "max_concurrency>=2", words=("--stage", 0)), "")
        self.assertIn("no request gave a value", self.judged("run", "p99_ttft>60s", expect=1))
        report, result = self.again("run", "--fail-on", "failed>0")
        self.assertEqual([row["condition"] for stage in report["stages"] for row in stage["fail_on"]], ["failed>0"] * 2)
        self.assertEqual(result.out.count("PASS"), 2)
        for wrong, sentence in (("p50_latncy>1s", "did you mean p50_latency?"), ("told>1", "there is no 'told'"),
                                ("p50_latency>fast", "not a duration"), ("p50_latency", "a condition is a figure")):
            self.assertIn(sentence, self.judged("run", "ok>100", wrong, expect=2))

    def test_what_passes_no_condition(self):
        """Whatever its figures are: a run whose own code could not be 0."""
        fails = self.root + "/x?status=500"
        self.run_against(fails, "-n", 3, "--fail-on", "cancelled>3", "--name", "none", expect=1, path="")
        self.assertIn("no request succeeded", self.judged("none", expect=1))
        self.run_against(self.root, "-n", 3, "--name", "good")
        base = sqlite3.connect(self.path("outputs/good.db"))
        for column, said in (("end_reason='errors'", "too many requests had failed"), ("interrupted=1", "interrupted"),
                             ("end_reason=NULL", "the program was killed")):
            with self.subTest(column):
                base.execute("UPDATE run SET end_reason='number', interrupted=0")
                base.execute(f"UPDATE run SET {column}")
                base.commit()
                self.assertNotIn("no --fail-on", self.judged("good"))
                self.assertRegex(self.judged("good", "ok>100", expect=1), f"it passes no --fail-on: .*{said}")
                self.assertNotIn("no --fail-on", self.judged("good", "ok>100", words=("--stage", 0)))
        base.close()

    def test_kinds_of_report(self):
        self.check("-n", 10, "-c", 2, "--stream", "--report", "table", "qianfan", report=("--report", "table", "qianfan"))

    def test_an_experiment(self):
        lua = self.write("two.lua",
                         "local bench = require 'bench'\nfor _, c in ipairs{1, 2} do bench.run{ parallel = c, number = 6 } end\n")
        before = self.path("before.json")
        printed = self.llmbench("experiment", lua, "--url", self.root + "/v1/chat/completions", "--model", "m", "--stream",
                                "--offline", "--prompt", "hello", "--name", "two", "--json", before, expect=0)
        after, again = self.again("two")
        with open(before, encoding="utf-8") as text:
            self.same(json.load(text), after)
        self.assertEqual(printed.out, again.out)

    def test_a_run_that_was_killed(self):
        process = self.spawn("--url", self.root + "/v1/chat/completions", "--model", "m", "--stream", "-c", 1, 4, "-d", "1s",
                             "--sleep-interval", "0s", "--name", "run", "-q", "--offline", "--fail-on", "error_rate>99%")
        path = self.path("outputs/run.db")

        def second():
            if not os.path.exists(path):
                return 0
            base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return base.execute("SELECT count(*) FROM result WHERE stage=1").fetchone()[0] > 20
            except sqlite3.OperationalError:
                return 0
            finally:
                base.close()
        wait_for(second, what="the second stage")
        process.kill()
        process.wait()
        report, result = self.again(expect=1)
        self.assertIn("the run was cut off", result.err)
        self.assertIn("it passes no --fail-on", result.err)
        self.assertEqual(self.judged("run", words=("--stage", 0)).count("no --fail-on"), 0, "which had ended")
        self.assertEqual(result.out.count("the program was killed, or left, before the end"), 1)
        self.assertEqual(report["end"]["reason"], "cut_off")
        first, cut = report["stages"]
        self.assertEqual((first["end"]["reason"], cut["end"]["reason"]), ("duration", "cut_off"))
        self.assertIsNotNone(first["trust"]["loop_lag"]["p99"])
        self.assertFalse(cut["verdict"]["sound"])
        self.assertIn("cut off", cut["verdict"]["reasons"][0])
        for name in UNKNOWN_WHEN_CUT_OFF:
            value = cut["trust"][name]
            for part in value.values() if isinstance(value, dict) else [value]:
                self.assertIsNone(part, name)
        self.assertIsNone(cut["metrics"]["max_concurrency"]["value"])
        self.assertIsNone(cut["steady"])
        base = self.database()
        rows = base.execute("SELECT count(*), sum(success), sum(completion_tokens) FROM result WHERE stage=1").fetchone()
        self.assertEqual((cut["counts"]["due"], cut["counts"]["ok"], cut["tokens"]["completion"]), tuple(rows))
        latencies = [row[0] for row in base.execute("SELECT latency FROM result WHERE stage=1 AND success")]
        self.assertTrue(math.isclose(cut["metrics"]["latency"]["mean"], sum(latencies) / len(latencies), rel_tol=1e-9))

    def test_what_is_no_run(self):
        self.assertIn("cannot read", self.llmbench("report", "none.db", expect=3).err)
        self.write("text.db", "not a database, but long enough to be looked at as one" * 20)
        self.assertIn("as the database of a run", self.llmbench("report", "text.db", expect=3).err)
        self.write("empty.db", "")
        self.assertIn("holds no run", self.llmbench("report", "empty.db", expect=3).err)
        sqlite3.connect(self.path("other.db")).execute("CREATE TABLE x(y)").connection.close()
        self.assertIn("holds no run", self.llmbench("report", "other.db", expect=3).err)
        self.assertIn("give the database", self.llmbench("report", expect=2).err)
        self.assertIn("one file too many", self.llmbench("report", "a.db", "b.db", expect=2).err)

    def test_a_log_that_cannot_be_put_in_place(self):
        """What a killed run wrote last is in the file beside its database."""
        process = self.spawn("--url", self.root + "/v1/chat/completions", "--model", "m", "--stream", "-d", "60s", "--name", "run",
                             "-q", "--offline")
        wait_for(lambda: os.path.exists(self.path("outputs/run.db-wal")) and
                 os.path.getsize(self.path("outputs/run.db-wal")) > 200_000, what="results")
        process.kill()
        process.wait()
        os.mkdir(self.path("alone"))
        shutil.copy(self.path("outputs/run.db"), self.path("alone/run.db"))
        self.assertIn("run.db-wal was beside it", self.llmbench("report", "alone/run.db", expect=3).err)
        os.unlink(self.path("outputs/run.db-shm"))
        os.chmod(self.path("outputs"), 0o500)
        self.addCleanup(os.chmod, self.path("outputs"), 0o700)
        if not os.access(self.path("outputs"), os.W_OK):  # root may write anywhere
            result = self.llmbench("report", "outputs/run.db", expect=3)
            self.assertIn("in a folder that can be written; copy both files to one", result.err)

    def test_damaged_rows_are_named(self):
        self.run_against(self.root, "-n", 5)
        for column, value in (("events", "[]"), ("events", '{"k":"cc","t":[1,2,3]}'), ("outcome", "fine"), ("events", "{"),
                              ("metrics", "{"), ("reads", 10**15)):
            shutil.copy(self.path("outputs/run.db"), self.path("bad.db"))
            base = sqlite3.connect(self.path("bad.db"))
            base.execute(f"UPDATE result SET {column}=? WHERE id=3", (value,))
            base.commit()
            base.close()
            result = self.llmbench("report", "bad.db")
            if column == "metrics":  # this script has none
                self.assertEqual(result.code, 0, result.err)
            else:
                self.assertEqual(result.code, 3, (column, value))
                self.assertIn("bad.db: result 3: ", result.err)

    def test_damaged_texts_of_run_and_stage_are_named(self):
        self.run_against(self.root, "-n", 5)
        for table, column, value in (("run", "options", '{"url":'), ("run", "options", "[]"), ("stage", "trust", "{"),
                                     ("stage", "verdict", '{"reasons":[]}x'), ("stage", "script", ""), ("stage", "options", "5")):
            shutil.copy(self.path("outputs/run.db"), self.path("bad.db"))
            base = sqlite3.connect(self.path("bad.db"))
            base.execute(f"UPDATE {table} SET {column}=?", (value,))
            base.commit()
            base.close()
            result = self.llmbench("report", "bad.db", "--json", "-")
            self.assertEqual((result.code, result.out), (3, ""), (column, value))
            self.assertRegex(result.err, rf"bad\.db: .*{column} (is|are) no JSON object")


if __name__ == "__main__":
    unittest.main()
