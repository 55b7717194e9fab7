"""Which bodies the database keeps, and what reports, exports and recomputation make of their absence."""
import unittest

from harness import Case, stats
from recompute import Recomputed, compare_report, compare_table

BODIES = ("request", "response_messages", "text")


class Storing(Case):
    def setUp(self):
        super().setUp()
        self.root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)

    def rows(self, *words, number=8, expect=0, api="openai"):
        """A run in which requests 1, 3, 5, … fail, of which 3, 7, … in the midst of the stream."""
        script = self.write("half.lua", """
            local openai = require "apis.openai"
            local build = openai.build_request
            local faults = { [1] = "?status=500", [3] = "?error=2" }
            function openai.build_request(messages, opts, ctx)
                return build(messages, opts, ctx), { url = opts.url .. (faults[ctx.index % 4] or "") }
            end
            return openai""")
        self.report, self.result = self.run_against(self.root, "-n", number, "--stream", *words, api=script, expect=expect)
        rows = self.database().execute("SELECT * FROM result ORDER BY id").fetchall()
        for row in rows:
            kept = [row[name] is not None for name in BODIES]
            if row["bodies_left_out"]:
                self.assertEqual(kept, [False] * 3)
            else:
                self.assertEqual(kept[:2], [True] * 2)
            self.assertIsNotNone(row["events"])
            self.assertIsNotNone(row["sent_ns"])
        return rows

    def judge(self, not_asked=0, past_max=0):
        trust = self.report["trust"]
        self.assertEqual((trust["bodies_not_asked"], trust["bodies_past_max"], trust["bodies_left_out"]),
                         (not_asked, past_max, 0))
        remarks = " ".join(self.report["verdict"]["remarks"])
        self.assertEqual("as --store says" in remarks, not_asked > 0)
        self.assertEqual("--store-max was reached" in remarks, past_max > 0)
        self.assertEqual("Bodies not asked for" in self.result.out, not_asked > 0)
        self.assertEqual("Bodies past --store-max" in self.result.out, past_max > 0)
        found = Recomputed(self.database())
        for check in (compare_report(found, self.report), compare_table(found, self.result.out)):
            self.assertEqual(check.wrong, [])
            self.assertGreater(check.checked, 10)

    def test_all_is_the_default(self):
        rows = self.rows()
        self.assertEqual([row["bodies_left_out"] for row in rows], [0] * 8)
        self.judge()

    def test_failed(self):
        rows = self.rows("--store", "failed")
        self.assertEqual([row["success"] for row in rows].count(0), 4)
        for row in rows:
            self.assertEqual(row["bodies_left_out"], row["success"])
        self.judge(not_asked=4)

    def test_none(self):
        rows = self.rows("--store", "none")
        self.assertEqual([row["bodies_left_out"] for row in rows], [1] * 8)
        self.judge(not_asked=8)
        self.assertEqual(stats(self.root)["bodies"]["count"], 8)

    def test_up_to_a_size(self):
        number = 30
        rows = self.rows("--store-max", "20KB", number=number)
        kept = [not row["bodies_left_out"] for row in rows]
        count = kept.index(False)
        self.assertEqual(kept, [True] * count + [False] * (number - count))
        self.judge(past_max=number - count)
        stored = [sum(len((row[name] or "").encode()) for name in BODIES) for row in rows]
        self.assertLessEqual(sum(stored), 20000)
        self.assertGreater(sum(stored), 20000 - 2 * max(stored))

    def test_failures_up_to_a_size(self):
        rows = self.rows("--store-max", "3KB", "--store", "failed", number=40)
        failed = [row["bodies_left_out"] for row in rows if not row["success"]]
        self.assertEqual(failed, sorted(failed))
        self.assertGreater(failed.count(0), 0)
        self.judge(not_asked=20, past_max=failed.count(1))

    def test_the_size_is_one_for_all_stages(self):
        self.rows("--store-max", "4KB", "-c", 1, 2, "--sleep-interval", "0s", number=20)
        first, second = self.database().execute(
            "SELECT count(*), sum(bodies_left_out) FROM result GROUP BY stage ORDER BY stage").fetchall()
        self.assertEqual((first[0], second[0]), (20, 20))
        self.assertTrue(0 < first[1] < 20)
        self.assertEqual(second[1], 20)

    def test_debug_shows_them_all_the_same(self):
        self.rows("--store", "none", "--debug")
        self.assertEqual(self.result.err.count('"stream":true'), 8)
        self.assertIn("chat.completion.chunk", self.result.err)
        self.assertNotIn("left out, the store is behind", self.result.err)

    def test_exports_say_how_many_are_missing(self):
        self.rows("--store", "failed")
        for form in ("evalscope-2024", "evalscope-2025"):
            result = self.llmbench("export", "--format", form, "outputs/run.db", f"{form}.db", expect=0)
            self.assertIn("did not store the bodies of 4 ", result.err)

    def test_bad_values(self):
        for words, sentence in ((("--store", "some"), "all failed none"), (("--store-max", "0"), "--store-max"),
                                (("--store-max", "-1"), "--store-max"), (("--store-max", "much"), "--store-max")):
            result = self.llmbench("--url", self.root, "--model", "m", *words, expect=2)
            self.assertIn(sentence, result.err)


if __name__ == "__main__":
    unittest.main()
