"""Load shapes, stages and ends of a run, judged by what the server saw."""
import json
import math
import os
import signal
import time
import unittest

from harness import Case, SANITIZED, ScriptedServer, get_json, interrupt, judged_by_the_clock, read_request, stats, wait_for

FAST = ("--ttft", "2ms", "--itl", "1ms", "--tokens", 2)


def gaps_of(root):
    arrivals = sorted(get_json(root + "/stats?arrivals=1")["arrivals"])
    return [(b - a) / 1e9 for a, b in zip(arrivals, arrivals[1:])]


class OpenLoop(Case):
    def check_starts(self, root):
        """The gaps between the due times; the server saw each request after its time, and most of them soon."""
        due = sorted(row[0] for row in self.database().execute("SELECT due_ns FROM result"))
        seen = sorted(get_json(root + "/stats?arrivals=1")["arrivals"])
        late = sorted((at - want) / 1e9 for at, want in zip(seen, due))
        self.assertEqual(len(seen), len(due))
        self.assertGreaterEqual(late[0], 0)
        self.assertLess(late[len(late) // 2], 0.1)
        return [(b - a) / 1e9 for a, b in zip(due, due[1:])]

    @judged_by_the_clock
    def test_poisson_gaps_are_exponential(self):
        root = self.mock(*FAST)
        report, _ = self.run_against(root, "--rate", 200, "-n", 1500, "--stream")
        gaps = self.check_starts(root)
        mean = sum(gaps) / len(gaps)
        deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
        self.assertEqual(report["counts"]["ok"], 1500)
        self.assertAlmostEqual(mean, 0.005, delta=0.0006)
        self.assertAlmostEqual(deviation / mean, 1, delta=0.15)
        beyond = sum(gap > mean for gap in gaps) / len(gaps)
        self.assertAlmostEqual(beyond, math.exp(-1), delta=0.05)
        self.assertAlmostEqual(report["metrics"]["achieved_rate"]["value"], 200, delta=40)

    @judged_by_the_clock
    def test_constant_arrivals(self):
        root = self.mock(*FAST)
        report, _ = self.run_against(root, "--rate", 100, "--arrival", "constant", "-n", 200, "--stream")
        self.assertEqual(report["counts"]["ok"], 200)
        for gap in self.check_starts(root):
            self.assertAlmostEqual(gap, 0.01, places=6)

    @judged_by_the_clock
    def test_slow_answers_do_not_slow_the_arrivals(self):
        root = self.mock("--ttft", "3s", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--rate", 50, "--arrival", "constant", "-n", 50, "--stream")
        self.assertLess(sum(gaps_of(root)), 3)
        self.assertGreater(stats(root)["in_flight"]["max"], 35)
        self.assertIsNone(report["steady"])

    @judged_by_the_clock
    def test_all_at_once(self):
        root = self.mock("--ttft", "3s", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--rate", -1, "-n", 300, "--stream")
        self.assertEqual(report["counts"]["ok"], 300)
        self.assertEqual(stats(root)["in_flight"]["max"], 300)

    @judged_by_the_clock
    def test_under_a_cap_the_wait_is_measured(self):
        root = self.mock("--ttft", "100ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--rate", 100, "--arrival", "constant", "--parallel", 2, "-n", 40, "--stream")
        self.assertEqual(stats(root)["in_flight"]["max"], 2)
        self.assertEqual(report["counts"]["ok"], 40)
        # The last is due at 0.39 s and can start after 19 rounds of some 0.1 s.
        self.assertGreater(report["metrics"]["slot_wait"]["max"], 1.2)
        self.assertGreater(report["metrics"]["latency_from_due"]["max"], 1.3)
        self.assertLess(report["metrics"]["latency"]["p50"], 0.6)
        self.assertLess(report["metrics"]["own_lag"]["p50"], 0.3)

    def test_duration_counts_what_was_due(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--rate", 100, "--arrival", "constant", "--duration", "1s", "--stream")
        self.assertEqual(report["end"]["reason"], "duration")
        self.assertEqual(report["counts"]["due"], 100)
        counts = report["counts"]
        self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        self.assertEqual(stats(root)["requests"]["total"], counts["ok"])

    def test_the_same_plan_for_any_number_of_threads(self):
        sums = []
        for threads in (1, 3):
            root = self.mock(*FAST)
            self.run_against(root, "--rate", 300, "-n", 200, "-t", threads, "--name", f"t{threads}", "--stream")
            sums.append(stats(root)["bodies"]["body_hash_sum"])
        self.assertEqual(sums[0], sums[1])


    def test_a_duration_ends_what_waits_for_its_time(self):
        root = self.mock(*FAST)
        begin = time.monotonic()
        report, _ = self.run_against(root, "--prompt", "x", "--rate", "0.01", "--arrival", "constant", "-n", 2, "--duration", "1s",
                                     dataset=None)
        self.assertLess(time.monotonic() - begin, 60)
        self.assertEqual((report["end"]["reason"], report["counts"]["ok"], report["counts"]["due"]), ("duration", 1, 1))

    @judged_by_the_clock
    def test_what_was_composed_and_not_sent_goes_on_in_the_next_stage(self):
        root = self.mock(*FAST)
        self.write("rows.txt", "".join(f"row {i}\n" for i in range(200)))
        report, _ = self.run_against(root, "--rate", 50, 100, "--arrival", "constant", "-n", 200, "--duration", "500ms",
                                     "--sleep-interval", "0s", dataset=self.path("rows.txt"))
        self.assertEqual([stage["counts"]["ok"] for stage in report["stages"]], [25, 50])
        rows = self.database().execute("SELECT request FROM result ORDER BY stage, arrival").fetchall()
        sent = [json.loads(row[0])["messages"][0]["content"] for row in rows]
        self.assertEqual(sent, [f"row {i}" for i in range(75)])

    @judged_by_the_clock
    def test_at_a_low_rate_nothing_is_composed_long_before_its_time(self):
        """One every 2 s: at the start those up to 6 s, the one behind the last at 4 s; then one more every 2 s."""
        self.write("mine.lua", """
            local api, shared = require "apis.openai", require "shared"
            local build = api.build_request
            function api.build_request(...)
                shared.add("built")
                return build(...)
            end
            return api
        """)
        root = self.mock(*FAST)
        report, _ = self.run_against(root, "--rate", 0.5, "--arrival", "constant", "--duration", "2500ms", "--stream", api="./mine.lua")
        self.assertEqual(report["counts"]["ok"], 2)
        self.assertIn(report["script"]["shared"]["built"], (5, 6))
        self.assertEqual(report["trust"].get("starved", 0) or 0, 0)

    @judged_by_the_clock
    def test_starved_only_for_the_time_a_slot_was_free(self):
        root = self.mock("--ttft", "100ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--rate", 40, "--arrival", "constant", "--parallel", 1, "-n", 30)
        self.assertLess(report["trust"]["starved_s"], 1)


class ClosedLoop(Case):
    def test_slots_that_never_come_into_being_keep_nobody(self):
        root = self.mock(*FAST)
        begin = time.monotonic()
        report, _ = self.run_against(root, "--parallel", 2, "--threads", 2, "--spawn-rate", "0.01", "-n", 3)
        self.assertLess(time.monotonic() - begin, 60)
        self.assertEqual(report["counts"]["ok"], 3)

    @judged_by_the_clock
    def test_ramp_up(self):
        root = self.mock("--ttft", "3s", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "--parallel", 10, "--spawn-rate", 10, "-n", 10, "--stream")
        arrivals = sorted(get_json(root + "/stats?arrivals=1")["arrivals"])
        spread = (arrivals[-1] - arrivals[0]) / 1e9
        self.assertAlmostEqual(spread, 0.9, delta=0.3)

    def test_users_workers_and_runtime(self):
        root = self.mock(*FAST)
        self.write("four.txt", "a\nb\nc\nd\n")
        report, _ = self.run_against(root, "--users", 2, "--workers", 1, "--spawn-rate", 100, "--runtime", "1h30m",
                                     dataset=self.path("four.txt"))
        self.assertEqual((report["counts"]["ok"], report["end"]["reason"]), (4, "data"))

    def test_more_workers_than_users_is_said(self):
        root = self.mock(*FAST)
        report, result = self.run_against(root, "--users", 1, "--workers", 4, "-n", 3)
        self.assertEqual(report["counts"]["ok"], 3)
        self.assertIn("--threads 4", result.err)


class Stages(Case):
    @judged_by_the_clock
    def test_a_list_of_loads(self):
        root = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 2)
        report, result = self.run_against(root, "--parallel", 1, 2, 4, "--number", 10, 20, 40, "--sleep-interval", "100ms",
                                          "--stream")
        stages = report["stages"]
        self.assertEqual([stage["counts"]["ok"] for stage in stages], [10, 20, 40])
        self.assertEqual([stage["label"] for stage in stages], ["1 parallel", "2 parallel", "4 parallel"])
        for stage, asked in zip(stages, (1, 2, 4)):
            self.assertEqual(stage["metrics"]["max_concurrency"]["value"], asked)
        self.assertEqual(stats(root)["requests"]["total"], 70)
        self.assertEqual(stats(root)["bodies"]["distinct"], 70, "each stage goes on in the data")
        self.assertIn("Stages", result.out)
        rows = self.database().execute("SELECT stage, count(*) FROM result GROUP BY stage ORDER BY stage").fetchall()
        self.assertEqual([tuple(row) for row in rows], [(0, 10), (1, 20), (2, 40)])
        labels = self.database().execute("SELECT label, ok FROM stage ORDER BY id").fetchall()
        self.assertEqual([tuple(row) for row in labels], [("1 parallel", 10), ("2 parallel", 20), ("4 parallel", 40)])

    def test_same_prompts(self):
        root = self.mock(*FAST)
        self.run_against(root, "--parallel", 1, 2, "-n", 15, "--sleep-interval", "0s", "--same-prompts")
        self.assertEqual(stats(root)["bodies"]["distinct"], 15)

    @judged_by_the_clock
    def test_rates(self):
        root = self.mock(*FAST)
        report, _ = self.run_against(root, "--rate", 50, 100, "-n", 50, "--sleep-interval", "0s", "--arrival", "constant")
        self.assertEqual([stage["label"] for stage in report["stages"]], ["50/s", "100/s"])
        rates = [stage["metrics"]["achieved_rate"]["value"] for stage in report["stages"]]
        self.assertAlmostEqual(rates[0], 50, delta=10)
        self.assertAlmostEqual(rates[1], 100, delta=20)

    def test_test_runs_of_a_duration_each(self):
        root = self.mock(*FAST)
        report, _ = self.run_against(root, "--test-runs", 1, 3, "--test-duration", "500ms", "--sleep-interval", "0s")
        self.assertEqual([stage["end"]["reason"] for stage in report["stages"]], ["duration", "duration"])

    def test_warm_up_is_kept_apart(self):
        root = self.mock(*FAST)
        report, _ = self.run_against(root, "--warmup-num", 7, "-n", 20, "--parallel", 2)
        self.assertEqual(report["counts"]["ok"], 20)
        self.assertEqual(stats(root)["requests"]["total"], 27)
        rows = self.database().execute("SELECT s.warmup, count(*) FROM result r JOIN stage s ON s.id = r.stage GROUP BY 1")
        self.assertEqual([tuple(row) for row in rows], [(0, 20), (1, 7)])

    def test_once_over_the_data_is_once_in_each_stage(self):
        root = self.mock(*FAST)
        self.write("ten.txt", "".join(f"row {i}\n" for i in range(10)))
        report, _ = self.run_against(root, "--parallel", 1, 2, "--warmup-num", 3, "--sleep-interval", "0s",
                                     dataset=self.path("ten.txt"))
        self.assertEqual([stage["counts"]["ok"] for stage in report["stages"]], [10, 10])

    def test_a_failure_after_the_duration_is_one(self):
        root = self.mock(*FAST)
        self.write("late.lua", """
            local rounds = 0
            return { build_messages = function() local i = 0
                rounds = rounds + 1
                return function() i = i + 1
                    if rounds > 1 then
                        local stop = os.clock() + 0.8
                        while os.clock() < stop do end
                        error("worn out")
                    end
                    if i <= 3 then return "p" .. i end end end }""")
        report, _ = self.run_against(root, "--parallel", 1, 2, "--duration", "300ms", "--sleep-interval", "0s", "--hook-timeout", "100s",
                                     expect=1, dataset=self.path("late.lua"))
        self.assertEqual(report["end"]["reason"], "data_failed")
        self.assertEqual(len(report["stages"]), 1)

    def test_a_warm_up_that_takes_the_last_prompt(self):
        root = self.mock(*FAST)
        report, _ = self.run_against(root, "--warmup-num", 4, "--prompt", "x", dataset=None)
        self.assertEqual(report["counts"]["ok"], 1)
        self.assertEqual(stats(root)["requests"]["total"], 5)

    def test_lists_that_do_not_match(self):
        for words, fragment in ((["--parallel", "1", "2", "--rate", "1", "2", "3"], "--rate has 3"),
                                (["--parallel", "1", "2", "--number", "1", "2", "3"], "--number has 3"),
                                (["--rate", "0"], "--rate 0"), (["--rate", "-2"], "rate")):
            result = self.llmbench("--url", "http://127.0.0.1:9/", "--prompt", "x", *words, expect=2)
            self.assertIn(fragment, result.err)

    def test_interrupt_between_and_within_stages(self):
        root = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 2)
        process = self.spawn("--prompt", "x", "--url", root, "--model", "m", "--name", "run", "--parallel", 1, 2, "-n", 5,
                             "--sleep-interval", "60s", "--json", "r.json")
        wait_for(lambda: stats(root)["requests"]["total"] >= 5, what="the first stage")
        time.sleep(0.8)
        process.send_signal(signal.SIGINT)
        result = self.wait(process, 50)  # less than the interval
        self.assertEqual(result.code, 130, result.err)
        with open(self.path("r.json"), encoding="utf-8") as text:
            self.assertTrue(json.load(text)["interrupted"])


class Ends(Case):
    @judged_by_the_clock
    def test_a_number_reached_first_is_not_cut_by_the_duration(self):
        root = self.mock("--ttft", "2500ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "-n", 5, "--parallel", 5, "--duration", "1500ms", "--grace", "200ms", "--stream")
        self.assertEqual(report["counts"]["ok"], 5)
        self.assertEqual(report["end"]["reason"], "number")

    def test_interrupt_during_the_drain_is_one(self):
        root = self.mock("--ttft", "40s", "--itl", "1ms", "--tokens", 2)
        process = self.spawn("--prompt", "x", "--url", root, "--model", "m", "--name", "run", "--parallel", 2,
                             "--duration", "500ms")
        wait_for(lambda: stats(root)["requests"]["total"] >= 2, what="load")
        time.sleep(1)
        interrupt(process, 2)
        self.assertEqual(self.wait(process, 20).code, 130)

    def test_large_bodies_do_not_stop_the_line(self):
        root = self.mock(*FAST)
        self.write("big.txt", "x" * 2_160_000)
        report, _ = self.run_against(root, "--prompt", "@big.txt", "--parallel", 300, "-n", 300, dataset=None)
        self.assertEqual(report["counts"]["ok"], 300)

    def test_data_that_gives_less_is_said(self):
        root = self.mock(*FAST)
        self.write("once.lua", """
            local given = false
            return { build_messages = function() local i = 0
                return function() if given then return nil end
                    i = i + 1; if i == 5 then given = true end; return "p" .. i end end }""")
        report, _ = self.run_against(root, "-n", 100, dataset=self.path("once.lua"))
        self.assertEqual((report["counts"]["ok"], report["end"]["reason"]), (5, "data"))
        self.assertFalse(report["verdict"]["sound"])

    def test_a_data_set_that_never_returns_can_be_left(self):
        root = self.mock(*FAST)
        self.write("stuck.lua", """
            return { build_messages = function() local i = 0
                return function() i = i + 1; if i > 5 then while true do end end; return "p" .. i end end }""")
        process = self.spawn("--dataset", self.path("stuck.lua"), "--url", root, "--model", "m", "--name", "run")
        wait_for(lambda: stats(root)["requests"]["total"] >= 3, what="load")
        interrupt(process, 3)
        self.assertEqual(self.wait(process).code, 130)
        self.assertEqual(self.database().execute("PRAGMA integrity_check").fetchone()[0], "ok")

    def test_a_data_set_that_fails_is_named(self):
        root = self.mock(*FAST)
        self.write("broken.lua", """
            return { build_messages = function() local i = 0
                return function() i = i + 1; if i > 3 then error("no more paper") end; return "p" .. i end end }""")
        report, result = self.run_against(root, dataset=self.path("broken.lua"), expect=1)
        self.assertEqual(report["end"]["reason"], "data_failed")
        self.assertIn("no more paper", result.err)

    @judged_by_the_clock
    def test_a_dead_server_does_not_burn_the_data(self):
        served = []

        def serve(connection, _):
            while read_request(connection):
                served.append(1)
                body = b'{"choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                                   % (len(body), body))
        server = ScriptedServer(serve)
        self.addCleanup(server.close)
        process = self.spawn("--prompt", "x", "--url", server.url, "--model", "m", "--name", "run", "--parallel", 4,
                             "--duration", "3s", "--json", "r.json")
        wait_for(lambda: len(served) > 20, what="load")
        server.close()
        self.wait(process, 60)
        with open(self.path("r.json"), encoding="utf-8") as text:
            report = json.load(text)
        self.assertGreater(report["counts"]["failed"], 3)
        self.assertLess(report["counts"]["by_outcome"].get("connect_failed", 0), 400)

    @judged_by_the_clock
    def test_think_time_is_no_fault(self):
        root = self.mock(*FAST)
        self.write("slow.lua", """
            return { build_messages = function() local i = 0
                return function() i = i + 1; if i <= 6 then return { prompt = "p" .. i, delay = 0.2 } end end end }""")
        begin = time.monotonic()
        report, _ = self.run_against(root, "--parallel", 2, dataset=self.path("slow.lua"))
        self.assertGreater(time.monotonic() - begin, 0.6)
        self.assertEqual(report["counts"]["ok"], 6)
        if not SANITIZED:
            self.assertNotIn("concurrency", json.dumps(report["verdict"]["reasons"]))


if __name__ == "__main__":
    unittest.main()
