"""Replay of a trace by the `at` of each item, and what an item says of its own request, judged by what the server saw."""
import json
import signal
import time
import unittest

from harness import Case, GOOD, SANITIZED, ScriptedServer, get_json, judged_by_the_clock, plain, read_request, stats, wait_for

FAST = ("--ttft", "2ms", "--itl", "1ms", "--tokens", 2)
LATE = 3 if SANITIZED else 0.5  # seconds that a busy machine may take for anything


def trace(*times):
    return "".join(json.dumps({"prompt": f"p{i}", "at": at}) + "\n" for i, at in enumerate(times))


class Trace(Case):
    def replay(self, root, rows, *words, expect=0, **more):
        return self.run_against(root, "--arrival", "trace", *words, dataset=self.write("trace.jsonl", rows), expect=expect,
                                **more)

    def check_counts(self, report, **wants):
        counts = report["counts"]
        self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        for name, want in wants.items():
            self.assertEqual(counts[name], want, name)

    def arrivals(self, root):
        """Seconds from the first request that the server saw to each."""
        seen = sorted(get_json(root + "/stats?arrivals=1")["arrivals"])
        return [(at - seen[0]) / 1e9 for at in seen]

    def check_times(self, seen, wants):
        """No request comes before its time; the first is the origin and may itself be late."""
        self.assertEqual(len(seen), len(wants))
        for at, want in zip(seen, wants):
            self.assertGreater(at, want - LATE)
            self.assertLess(at, want + LATE)

    def due(self, name="run"):
        """Seconds from the first due time to each, in the order of the data."""
        rows = [row[0] for row in self.database(name).execute("SELECT due_ns FROM result ORDER BY arrival")]
        return [(at - rows[0]) / 1e9 for at in rows]

    def check_due(self, wants, name="run"):
        self.assertEqual([round(at, 6) for at in self.due(name)], [round(want, 6) for want in wants])

    @judged_by_the_clock
    def test_the_server_sees_the_times_of_the_data(self):
        root = self.mock(*FAST)
        times = (0.5, 0.5, 0.9, 1.6, 1.6, 1.6, 2.4)
        begin = time.monotonic()
        report, result = self.replay(root, trace(*times))
        self.assertGreater(time.monotonic() - begin, 2.4, "the first is waited for")
        self.check_times(self.arrivals(root), [at - 0.5 for at in times])
        self.check_due([at - 0.5 for at in times])
        self.check_counts(report, due=7, ok=7)
        self.assertEqual((report["end"]["reason"], report["trust"]["data_cycles"]), ("data", 0))
        self.assertIsNone(report["trust"]["asked_rate"])
        self.assertIn("at the times of the data", result.out)
        stage = self.database().execute("SELECT label, kind, asked_rate, asked_concurrency FROM stage").fetchone()
        self.assertEqual(tuple(stage), ("trace", "open", None, None))
        late = self.database().execute("SELECT min(started_ns - due_ns) FROM result").fetchone()[0]
        self.assertGreaterEqual(late, 0, "nothing leaves before its time")

    @judged_by_the_clock
    def test_speed(self):
        root = self.mock(*FAST)
        report, _ = self.replay(root, trace(0, 2, 6), "--trace-speed", 4)
        self.check_due((0, 0.5, 1.5))
        self.check_times(self.arrivals(root), (0, 0.5, 1.5))
        self.check_counts(report, ok=3)
        self.assertEqual(self.database().execute("SELECT label FROM stage").fetchone()[0], "trace, speed 4")

    def test_a_pass_goes_on_where_the_last_one_ended(self):
        root = self.mock(*FAST)
        report, _ = self.replay(root, trace(0.1, 0.4), "-n", 5)
        self.check_due([at - 0.1 for at in (0.1, 0.4, 0.5, 0.8, 0.9)])
        self.check_counts(report, ok=5)
        self.assertEqual((report["end"]["reason"], report["trust"]["data_cycles"]), ("number", 2))

    @judged_by_the_clock
    def test_a_duration_cuts_the_trace(self):
        root = self.mock(*FAST)
        begin = time.monotonic()
        report, _ = self.replay(root, trace(0, 0.2, 900), "--duration", "1s")
        self.assertLess(time.monotonic() - begin, 30)
        self.check_counts(report, due=2, ok=2)
        self.assertEqual(report["end"]["reason"], "duration")

    @judged_by_the_clock
    def test_a_burst_starts_together(self):
        root = self.mock("--ttft", "2s", "--itl", "1ms", "--tokens", 2)
        report, _ = self.replay(root, trace(*[0.3] * 300, *[0.8] * 300))
        self.check_counts(report, ok=600)
        self.assertEqual(stats(root)["in_flight"]["max"], 600)

    def test_a_cap_is_waited_for_and_measured(self):
        root = self.mock("--ttft", "100ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.replay(root, trace(*[0.1] * 20), "--parallel", 2)
        self.assertEqual(stats(root)["in_flight"]["max"], 2)
        self.check_counts(report, ok=20)
        self.check_due([0] * 20)
        self.assertGreater(report["metrics"]["slot_wait"]["max"], 0.7)

    def test_several_workers_share_a_trace(self):
        root = self.mock(*FAST)
        times = [i * 0.01 for i in range(100)]
        report, _ = self.replay(root, trace(*times), "--threads", 3)
        self.check_counts(report, ok=100)
        self.check_due(times)

    def test_what_was_due_at_the_stop_is_counted(self):
        root = self.mock("--ttft", "300ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.replay(root, trace(*[0] * 50, 1.5, 60), "--parallel", 1, "--duration", "1s", "--grace", "0s")
        self.check_counts(report, due=50)
        self.assertGreater(report["counts"]["not_started"], 40)
        self.assertEqual(report["trust"]["warnings"], 0)

    def test_interrupted_in_the_middle(self):
        root = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 2)
        rows = self.write("trace.jsonl", trace(*[0] * 5, *[0.1] * 5, *[100] * 5, 5000))
        process = self.spawn("--dataset", rows, "--arrival", "trace", "--url", root, "--model", "m", "--name", "run", "--json",
                             "r.json", "--offline")
        wait_for(lambda: stats(root)["requests"]["total"] >= 10, what="load")
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.wait(process, 90).code, 130)
        with open(self.path("r.json"), encoding="utf-8") as text:
            report = json.load(text)
        self.assertTrue(report["interrupted"])
        self.check_counts(report, due=10, not_started=0)
        self.assertEqual(stats(root)["requests"]["total"], 10)

    @judged_by_the_clock
    def test_what_had_not_been_read_is_said(self):
        root = self.mock("--ttft", "300ms", "--itl", "1ms", "--tokens", 2)
        report, result = self.replay(root, trace(*[i / 1e5 for i in range(20000)]), "--parallel", 1, "--duration", "1s")
        self.check_counts(report)
        self.assertGreater(report["counts"]["due"], 8000)
        self.assertLess(report["counts"]["due"], 9000)
        self.assertIn("the trace had been read up to 0.08", result.err)

    def test_a_late_refusal_stops_the_run(self):
        root = self.mock(*FAST)
        for name, second, want in (
                ("decreasing", {"at": 0.5}, "item 3: the item's 'at' is 0.5, less than the 7"),
                ("missing", {}, "item 3: the item has no 'at'"),
                ("a text", {"at": "8"}, "item 3: the item has no 'at'"),
                ("since 1970", {"at": 1.7e9}, "item 3: the item has no 'at'")):
            with self.subTest(name):
                rows = trace(0, 7) + json.dumps({"prompt": "x", **second}) + "\n"
                report, result = self.replay(root, rows, "--trace-speed", 100, "--name", name, expect=1)
                self.assertEqual(report["end"]["reason"], "data_failed")
                self.assertIn(want, result.out)

    def test_what_cannot_be_a_trace_does_not_start(self):
        root = self.mock(*FAST)
        rows = self.write("trace.jsonl", trace(0, 1))
        self.write("mine.lua", """return { build_messages = function() return function() return
            { prompt = "x", at = 1731000000 } end end }""")
        words = ("--url", root, "--model", "m", "--offline")
        for args, code, want in (
                (("--dataset", rows, "--arrival", "trace", "--rate", 5), 2, "--rate 5"),
                (("--dataset", rows, "--trace-speed", 5), 2, "--trace-speed 5 needs --arrival trace"),
                (("--dataset", rows, "--arrival", "trace", "--spawn-rate", 5), 2, "--spawn-rate"),
                (("--prompt", "x", "--arrival", "trace"), 2, "--prompt has none"),
                (("--dataset", rows, "--arrival", "trace", "--trace-speed", 0), 2, "--trace-speed"),
                (("--dataset", self.write("none.txt", "a\nb\n"), "--arrival", "trace"), 3, "item 1: the item has no 'at'"),
                (("--dataset", self.path("mine.lua"), "--arrival", "trace"), 3,
                 "'at' must be a number of seconds from 0 to 10^9, not 1731000000")):
            with self.subTest(want):
                result = self.llmbench(*words, *args, expect=code)
                self.assertIn(want, result.err)
        self.assertEqual(stats(root)["requests"]["total"], 0)

    def test_a_trace_that_takes_no_time(self):
        root = self.mock(*FAST)
        report, _ = self.replay(root, trace(0, 0), "-n", 5)
        self.check_counts(report, ok=5)
        report, result = self.replay(root, trace(0, 0), "--duration", "1s", "--name", "endless", expect=1)
        self.assertEqual(report["end"]["reason"], "data_failed")
        self.assertIn("give --number", result.out)

    def test_warm_up_and_stages_begin_at_the_beginning(self):
        root = self.mock(*FAST)
        report, _ = self.replay(root, trace(0.2, 0.3, 0.4), "--warmup-num", 2, "--parallel", 1, 4, "--sleep-interval", "0s")
        self.assertEqual([stage["label"] for stage in report["stages"]], ["trace, at most 1", "trace, at most 4"])
        rows = self.database().execute("SELECT stage, request, due_ns FROM result ORDER BY stage, arrival").fetchall()
        self.assertEqual([(row["stage"], json.loads(row["request"])["messages"][0]["content"]) for row in rows],
                         [(0, "p0"), (0, "p1")] + [(stage, f"p{i}") for stage in (1, 2) for i in range(3)])
        for stage in (1, 2):
            due = [row["due_ns"] for row in rows if row["stage"] == stage]
            self.assertEqual([round((at - due[0]) / 1e9, 6) for at in due], [0, 0.1, 0.2])

    def test_times_that_are_not_used_are_said_once(self):
        root = self.mock(*FAST)
        rows = "".join(f'{{"prompt": "p{i}", "at": {9000 - i}}}\n' for i in range(5))
        report, result = self.run_against(root, "-n", 12, dataset=self.write("trace.jsonl", rows))
        self.check_counts(report, ok=12)
        self.assertEqual(result.err.count("'at' are not used; --arrival trace"), 1, result.err)
        self.write("slow.lua", """return { build_messages = function() local i = 0; return function() i = i + 1
            return i <= 5 and { prompt = "x", delay = 100 } or nil end end }""")
        report, result = self.run_against(root, "--rate", 100, "--name", "open", dataset=self.path("slow.lua"))
        self.check_counts(report, ok=5)
        self.assertEqual(result.err.count("'delay' are not used; they are think time"), 1, result.err)
        self.assertEqual(report["trust"]["warnings"], 1)
        self.write("quick.lua", """return { build_messages = function() local i = 0; return function() i = i + 1
            return i <= 5 and { prompt = "x", delay = 0.01 } or nil end end }""")
        report, result = self.run_against(root, "--name", "closed", dataset=self.path("quick.lua"))
        self.assertEqual(report["trust"]["warnings"], 0)


ITEMS = r"""
local items = {
    { prompt = "own model", model = "other/model", session = "s-1", max_tokens = 7 },
    { prompt = "plain", session = 42 },
    { prompt = "headers", headers = { ["X-Item"] = "from item", ["X-Api"] = "item beats", ["Content-Type"] = "application/json; v=2" } },
    { prompt = "header lines", headers = { "X-Item: a line", "X-Given: item" } },
    { body = "not JSON at all", headers = { ["X-Item"] = "with body" } },
    { body = { z = 1, a = { "x" }, model = "%m" }, model = "ignored" },
    { prompt = "hostile line", headers = { ["X-Item"] = "a\r\nX-Smuggled: yes" } },
    { prompt = "hostile name", headers = { ["X Item"] = "a" } },
    { prompt = "hostile nul", headers = { ["X-Item"] = "a\0b" } },
    { prompt = "hostile type", headers = { ["X-Item"] = 5 } },
    { prompt = "last" },
}
local api = require "apis.openai"
local build = api.build_request
function api.build_request(messages, opts, ctx)
    local body = build(messages, opts, ctx)
    body.user = ctx.prompt.session and type(ctx.prompt.session) .. ":" .. ctx.prompt.session
    return body, { headers = { ["X-Api"] = "from api" } }
end
function api.build_messages()
    local i = 0
    return function() i = i + 1; return items[i] end
end
return api
"""


class Items(Case):
    def send(self, *words):
        seen = []

        def serve(connection, _):
            while request := read_request(connection):
                seen.append(request)
                connection.sendall(GOOD if b"stream" in request[2] else plain({"choices": [{"message": {"content": "x"}}]}))
        self.write("items.lua", ITEMS)
        with ScriptedServer(serve) as scripted:
            report, result = self.run_against(scripted.url, "--script", self.path("items.lua"), "--header", "X-Given: yes",
                                              *words, dataset=None, api=self.path("items.lua"))
        self.assertEqual([line for line, _, _ in seen], ["POST /v1/chat/completions HTTP/1.1"] * 7)
        return report, result, seen

    def test_what_the_server_sees(self):
        report, _, seen = self.send()
        bodies = [json.loads(body) if body[:1] == b"{" else body for _, _, body in seen]
        heads = [headers for _, headers, _ in seen]
        self.assertEqual([body.get("model") if isinstance(body, dict) else None for body in bodies],
                         ["other/model", "m", "m", "m", None, "%m", "m"])
        self.assertEqual((bodies[0]["max_tokens"], bodies[0]["user"], bodies[1]["user"]), (7, "string:s-1", "number:42"))
        self.assertNotIn("session", bodies[0])
        self.assertEqual([head.get("x-item") for head in heads],
                         [None, None, "from item", "a line", "with body", None, None])
        self.assertEqual(heads[2]["x-api"], "from api", "build_request's goes before the item's")
        self.assertEqual(heads[2]["content-type"], "application/json; v=2")
        self.assertEqual(heads[3]["x-given"], "yes", "--header goes before all")
        self.assertEqual(bodies[4], b"not JSON at all")
        self.assertEqual(seen[5][2], b'{"a":["x"],"model":"%m","z":1}')
        self.assertNotIn("x-api", heads[4], "build_request was not called")
        for head in heads:
            self.assertNotIn("x-smuggled", head)
        self.assertEqual(report["counts"]["by_outcome"]["script_error"], 4)
        rows = self.database().execute("SELECT arrival, outcome, error FROM result ORDER BY arrival").fetchall()
        self.assertEqual([row["arrival"] for row in rows if row["outcome"] == "script_error"], [6, 7, 8, 9])
        for row in rows[6:10]:
            self.assertIn("the item: ", row["error"])

    def test_the_model_of_an_item_in_a_template(self):
        _, result, seen = self.send("--query-template", '{"model": "%m", "named": "run by %m", "stream": true}')
        bodies = [json.loads(body) for _, _, body in seen if body[:1] == b"{"]
        self.assertEqual([(body["model"], body.get("named")) for body in bodies],
                         [("other/model", "run by other/model"), ("m", "run by m"), ("m", "run by m"), ("m", "run by m"),
                          ("%m", None), ("m", "run by m")])
        self.assertIn("gives whole bodies", result.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
