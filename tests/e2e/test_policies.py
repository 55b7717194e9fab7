"""What ends a run early, and what its exit code follows: --max-errors, --max-error-rate, --fail-on."""
import itertools
import json
import re
import time
import unittest

from harness import Case, GOOD, ScriptedServer, plain, read_request

ONE_PROMPT = ("--api", "openai", "--model", "m", "--prompt", "hi", "--offline", "--name", "run")


def failing(every, pause=0.0):
    """Every so many-th request fails, the others are answered well."""
    numbers = itertools.count(1)

    def serve(connection, _):
        while read_request(connection):
            time.sleep(pause)
            connection.sendall(plain({"error": "no"}, "500 No") if next(numbers) % every == 0 else GOOD)
    return ScriptedServer(serve)


class TooMany(Case):
    def go(self, server, *words, expect=1):
        self.report, self.result = self.run_against(server.url, "--prompt", "hi", "--stream", *words, dataset=None,
                                                    expect=expect)
        counts = (self.report["stages"][-1] if "stages" in self.report else self.report)["counts"]
        self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        return counts

    def test_a_number(self):
        with failing(2) as server:
            counts = self.go(server, "-n", 10_000, "--max-errors", 5)
        self.assertGreaterEqual(counts["failed"], 5)
        self.assertLess(counts["ok"], 5000)
        self.assertEqual(self.report["end"]["reason"], "errors")
        self.assertRegex(self.report["end"]["stop_reason"], r"^5 of \d+ requests had failed \(--max-errors 5\)$")
        self.assertIn("too many requests had failed", self.result.out)
        self.assertIn("(--max-errors 5): no more are started", self.result.err)
        run = self.database().execute("SELECT end_reason, stop_reason FROM run").fetchone()
        self.assertEqual(tuple(run), ("errors", self.report["end"]["stop_reason"]))

    def test_fewer_are_no_reason(self):
        with failing(10) as server:
            counts = self.go(server, "-n", 40, "--max-errors", 5, "--max-error-rate", "20%", expect=0)
        self.assertEqual((counts["ok"], counts["failed"], self.report["end"]["reason"]), (36, 4, "number"))

    def test_a_rate_is_judged_from_the_twentieth_on(self):
        with failing(2) as server:
            counts = self.go(server, "-n", 10_000, "--max-error-rate", "10%")
        self.assertGreaterEqual(counts["ok"] + counts["failed"], 20)
        self.assertEqual(self.report["end"]["stop_reason"], "10 of 20 requests (50.0%) had failed (--max-error-rate 10%)")
        with failing(1) as server:
            self.go(server, "-n", 19, "--max-error-rate", "10%", "--name", "few")
        self.assertEqual(self.report["end"]["reason"], "number", "and none succeeded")

    def test_no_further_stage(self):
        with failing(2) as server:
            self.go(server, "-c", 1, 2, "-n", 200, "--sleep-interval", 0, "--max-errors", 3)
        self.assertEqual([stage["end"]["reason"] for stage in self.report["stages"]], ["errors"])

    def test_each_stage_counts_anew(self):
        with failing(10) as server:
            self.go(server, "-c", 1, 2, "-n", 40, "--sleep-interval", 0, "--max-errors", 5, expect=0)
        self.assertEqual([stage["counts"]["failed"] for stage in self.report["stages"]], [4, 4])

    def test_the_last_ones_count_too(self):
        """What is in flight when starting stops may still be too much."""
        with failing(1, pause=0.3) as server:
            self.go(server, "-n", 4, "-c", 4, "--max-errors", 4)
            self.assertEqual(self.report["end"]["reason"], "errors")
            self.go(server, "-d", "0.1s", "-c", 4, "--max-errors", 4, "--name", "time")
            self.assertEqual(self.report["end"]["reason"], "errors")

    def test_bad_words(self):
        for words, sentence in ((("--max-errors", 0), "--max-errors 0: must be between 1 and"),
                                (("--max-error-rate", "120%"), "120%"),
                                (("--max-error-rate", "0"), "must be between")):
            result = self.llmbench(*ONE_PROMPT, "--url", "http://127.0.0.1:9/", *words, expect=2)
            self.assertIn(sentence, result.err)


class FailOn(Case):
    def go(self, server, *conditions, words=(), expect=0):
        given = [word for condition in conditions for word in ("--fail-on", condition)]
        self.report, self.result = self.run_against(server.url, "--prompt", "hi", "--stream", "-n", 10, *given, *words,
                                                    dataset=None, expect=expect)
        shown = re.findall(r"^  (PASS|FAIL)  +(\S.*?)  +(\S.*)$", self.result.out, re.M)
        return {condition: (word, value) for word, condition, value in shown}

    def judged(self, stage=None):
        return {row["condition"]: row["failed"] for row in (stage or self.report)["fail_on"]}

    def test_the_exit_code_follows(self):
        with failing(5) as server:
            shown = self.go(server, "p50_ttft>60s", "error_rate>20%", "http_4xx>0", "failed>=3", "n_ttft<8")
            self.assertEqual({word for word, _ in shown.values()}, {"PASS"})
            self.assertEqual((shown["error_rate>20%"][1], shown["failed>=3"][1]), ("20%", "2"))
            self.assertEqual(set(self.judged().values()), {False})
            shown = self.go(server, "p50_ttft>60s", "error_rate>=20%", words=("--name", "again"), expect=1)
            self.assertEqual([word for word, _ in shown.values()], ["PASS", "FAIL"])
        self.assertEqual(self.judged(), {"p50_ttft>60s": False, "error_rate>=20%": True})
        value = {row["condition"]: row["value"] for row in self.report["fail_on"]}
        self.assertEqual(value["p50_ttft>60s"], self.report["metrics"]["ttft"]["p50"])
        self.assertIn("fails --fail-on 'error_rate>=20%': 20%", self.result.err)

    def test_no_value_is_a_failure(self):
        with failing(100) as server:
            shown = self.go(server, "p99_cached_tokens>1", "p99_cached_tokens<1", expect=1)
            self.assertEqual(set(shown.values()), {("FAIL", "-")})
            self.assertIn("no request gave a value", self.result.out)
            self.assertEqual({row["value"] for row in self.report["fail_on"]}, {None})
            self.assertEqual({row["why"] for row in self.report["fail_on"]}, {"no request gave a value"})

    def test_other_reports_and_none(self):
        """Who sees no table sees the exit code and a sentence."""
        with failing(100) as server:
            for name in ("none", "qianfan", "zh"):
                self.go(server, "ok>5", words=("--report", name, "--name", name), expect=1)
                self.assertIn("fails --fail-on 'ok>5': 10", self.result.err)

    def test_each_stage(self):
        with failing(15) as server:  # the third of the second stage
            self.go(server, "failed>0", words=("-c", 1, 2, "--sleep-interval", 0, "--warmup-num", 2), expect=1)
        self.assertEqual([list(self.judged(stage).values()) for stage in self.report["stages"]], [[False], [True]])

    def test_a_scripts_metrics(self):
        self.write("own.lua", """
            local api = require "apis.openai"
            api.metrics = { { name = "words", unit = "words", of = function(sample) return 2 end } }
            function api.done(summary) return { metrics = { { name = "told", value = 7 } } } end
            return api""")
        api = ("--api", self.path("own.lua"))
        with failing(100) as server:
            shown = self.go(server, "mean_words>2", "words.max>=2", "told>6", "untold>6", words=api, expect=1)
            self.assertEqual([word for word, _ in shown.values()], ["PASS", "FAIL", "FAIL", "FAIL"])
            self.assertIn("untold>6: there is no 'untold'", self.result.out)

    def refused(self, condition, *words):
        with failing(100) as server:
            result = self.llmbench(*ONE_PROMPT, "--url", server.url, *words, "--fail-on", condition, expect=2)
            self.assertEqual(server.connections, 0)
        self.assertEqual(len(result.err.splitlines()), 1)
        self.assertIn(f"--fail-on '{condition}'", result.err)
        return result.err

    def test_what_does_not_exist(self):
        self.assertIn("did you mean p99_ttft?", self.refused("p99_tftt>1s"))
        self.assertIn("not a duration", self.refused("p99_ttft>fast"))
        self.write("own.lua", """
            local api = require "apis.openai"
            api.metrics = { { name = "words", unit = "words", of = function(sample) return 2 end } }
            return api""")
        self.assertIn("did you mean p99_words?", self.refused("p99_wrods>1", "--api", self.path("own.lua")))

    def test_an_experiment(self):
        self.write("two.lua", """
            local bench = require "bench"
            bench.run{ number = 3 }
            bench.run{ number = 5 }""")
        with failing(100) as server:
            words = ("experiment", self.path("two.lua"), "--url", server.url, "--model", "m", "--prompt", "hi", "--json",
                     self.path("report.json"))
            self.llmbench(*words, "--name", "a", "--fail-on", "ok>5", expect=0)
            self.llmbench(*words, "--name", "b", "--fail-on", "ok>4", expect=1)
            self.llmbench(*words, "--name", "c", "--fail-on", "ok>2", "--fail-on", "ok>3", expect=1)
        with open(self.path("report.json"), encoding="utf-8") as text:
            stages = json.load(text)["stages"]
        self.assertEqual([list(self.judged(stage).values()) for stage in stages], [[True, False], [True, True]])


if __name__ == "__main__":
    unittest.main()
