"""More worker threads change who sends a request, and nothing of what is sent."""
import unittest

from harness import Case, stats

FAST = ("--ttft", "1ms", "--itl", "0", "--tokens", 1)
# Bodies that tell the item, the request's number and what was drawn for it.
DRAWS = """
local openai = require "apis.openai"
local random = require "random"
local build = openai.build_request
function openai.build_request(messages, opts, ctx)
    local body = build(messages, opts, ctx)
    body.user = ("%d %.17g %d %.17g"):format(ctx.index, ctx.seed, random.integer(1, 1000000), math.random())
    return body
end
return openai
"""


class SameBodies(Case):
    def bodies(self, *words, number=600):
        """What the server saw of the bodies of one run, and how many workers carried them."""
        root = self.mock(*FAST)
        script = self.write("draws.lua", DRAWS)
        lines = self.write("lines.txt", "".join(f"line {i} of the data\n" for i in range(250)))
        self.name = f"run{self.count}"
        self.count += 1
        report, _ = self.run_against(root, "--dataset-path", lines, "-n", number, "--name", self.name, *words, api=script,
                                     dataset="line_by_line")
        self.assertEqual(report["counts"]["ok"], number)
        seen = stats(root)["bodies"]
        self.assertEqual((seen["count"], seen["distinct"]), (number, number))
        workers = self.database(self.name).execute("SELECT count(DISTINCT worker) FROM result").fetchone()[0]
        return seen["body_hash_sum"], workers

    def setUp(self):
        super().setUp()
        self.count = 0

    def test_four_threads_send_what_one_sends(self):
        for name, words in (("closed", ("-c", 16)), ("open", ("--rate", 2000)), ("capped", ("--rate", 3000, "-c", 8)),
                            ("at once", ("--rate", -1))):
            with self.subTest(name):
                one, four = self.bodies("-t", 1, *words), self.bodies("-t", 4, *words)
                self.assertEqual(one[0], four[0])
                self.assertEqual((one[1], four[1]), (1, 4))

    def test_another_seed_sends_something_else(self):
        self.assertNotEqual(self.bodies("-c", 4)[0], self.bodies("-c", 4, "--plan-seed", 7)[0])


if __name__ == "__main__":
    unittest.main()
