"""More worker threads change who sends a request, and nothing of what is sent."""
import contextlib
import os
import unittest

from harness import Case, SANITIZED, judged_by_the_clock, stats, wait_for

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

    @judged_by_the_clock
    def test_four_threads_send_what_one_sends(self):
        for name, words in (("closed", ("-c", 16)), ("open", ("--rate", 2000)), ("capped", ("--rate", 3000, "-c", 8)),
                            ("at once", ("--rate", -1))):
            with self.subTest(name):
                one, four = self.bodies("-t", 1, *words), self.bodies("-t", 4, *words)
                self.assertEqual(one[0], four[0])
                self.assertEqual(one[1], 1)
                self.assertGreater(four[1], 1)  # workers draw: a slow one may come too late for any

    def test_another_seed_sends_something_else(self):
        self.assertNotEqual(self.bodies("-c", 4)[0], self.bodies("-c", 4, "--plan-seed", 7)[0])


CPUS = sorted(os.sched_getaffinity(0))


class Pinned(Case):
    def masks(self, *words, cpus=None):
        """The CPUs that each thread may use while requests are in flight, and the result of the run."""
        root = self.mock("--ttft", "1500ms", "--itl", "0", "--tokens", 1)
        process = self.spawn("--url", root + "/v1/chat/completions", "--model", "m", "--prompt", "hi", "--name", "run", *words,
                             preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None)
        wait_for(lambda: stats(root)["in_flight"]["now"] >= 4)
        found = []
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with contextlib.suppress(OSError):
                found.append(tuple(sorted(os.sched_getaffinity(int(task)))))
        result = self.wait(process)
        self.assertEqual(result.code, 0, result.err)
        return found, result.err

    @judged_by_the_clock
    def test_without_it_nobody_is_pinned(self):
        found, _ = self.masks("-c", 4, "-n", 4)
        self.assertEqual(set(found), {tuple(CPUS)})

    @unittest.skipIf(len(CPUS) < 2, "needs two CPUs")
    @judged_by_the_clock
    def test_a_worker_has_its_cpu_to_itself(self):
        found, err = self.masks("-c", 4, "-n", 4, "--pin")
        self.assertEqual(found.count((CPUS[0],)), 1)
        others = [mask for mask in found if mask not in ((CPUS[0],), tuple(CPUS[1:]))]
        self.assertLessEqual(len(others), 1 if SANITIZED else 0, found)  # a sanitizer may have a thread of its own
        self.assertGreaterEqual(len(found), 4)
        self.assertIn(f"--pin: 1 of {len(CPUS)} CPUs are the workers' own", err)

    @unittest.skipIf(len(CPUS) < 2, "needs two CPUs")
    @judged_by_the_clock
    def test_as_many_workers_as_cpus(self):
        two = tuple(CPUS[:2])
        found, err = self.masks("-c", 4, "-n", 4, "-t", 2, "--pin", cpus=set(two))
        self.assertEqual((found.count(two[:1]), found.count(two[1:])), (1, 1))
        self.assertEqual(found.count(two), len(found) - 2, found)
        self.assertIn("the workers have all CPUs that may be used (2)", err)

    @judged_by_the_clock
    def test_fewer_cpus_than_workers(self):
        found, err = self.masks("-c", 4, "-n", 4, "-t", 2, "--pin", cpus={CPUS[0]})
        self.assertEqual(set(found), {(CPUS[0],)})
        self.assertIn("no worker is pinned: 2 workers, but only 1 CPU may be used", err)


if __name__ == "__main__":
    unittest.main()
