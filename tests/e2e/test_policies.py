"""What ends a run early, and what its exit code follows: --max-errors, --max-error-rate."""
import itertools
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


if __name__ == "__main__":
    unittest.main()
