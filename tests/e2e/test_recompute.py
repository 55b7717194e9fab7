"""Report and table against a recomputation from the database's rows (recompute.py), and against the server's stamps."""
import json
import math
import time
import unittest

from harness import Case, DONE, ScriptedServer, answer, event, judged_by_the_clock, read_request, reset
from recompute import Recomputed, compare_report, compare_table

# A script that sends arrival k to the URL's query number k, so that one run meets many fates.
FATES = """
local openai = require "apis.openai"
local fates = { %s }
local build = openai.build_request
function openai.build_request(messages, opts, ctx)
    local query = fates[ctx.index %% #fates + 1]
    return build(messages, opts, ctx), { url = opts.url .. query }
end
return openai
"""


class Rows(Case):
    def judge(self, report, result, name="run"):
        """The report's numbers, and the table's, are what the rows say."""
        found = Recomputed(self.database(name))
        for check in (compare_report(found, report), compare_table(found, result.out)):
            self.assertEqual(check.wrong, [])
            self.assertGreater(check.checked, 10)
        self.little(found, report)
        self.tables(report, name)
        return found

    def tables(self, report, name):
        """The tables of the database say what the report says (its numbers have 15 to 17 digits)."""
        base = self.database(name)
        for part, metrics in (("whole", report["metrics"]), ("steady", (report["steady"] or {}).get("metrics", {}))):
            found = base.execute("SELECT * FROM summary WHERE part=?", (part,)).fetchall()
            stored = {(row["metric"], row["statistic"]): row["value"] for row in found
                      if row["statistic"] != "n" or row["value"]}
            told = {(metric, key): value for metric, values in metrics.items() for key, value in values.items()
                    if key != "exact" and value is not None and (key != "n" or value)}
            self.assertEqual({key: (stored.get(key), told.get(key)) for key in stored.keys() | told.keys()
                              if not math.isclose(stored.get(key, math.nan), told.get(key, math.nan), rel_tol=1e-14)},
                             {}, f"{part}: (database, report)")
        stage = base.execute("SELECT * FROM stage").fetchone()
        for column in ("due", "ok", "failed", "cancelled", "not_started"):
            self.assertEqual(stage[column], report["counts"][column], column)
        self.assertEqual(stage["window_s"], report["window"]["seconds"])
        run = base.execute("SELECT * FROM run").fetchone()
        self.assertEqual(run["end_reason"], report["end"]["reason"])
        self.assertEqual(bool(stage["sound"]), report["verdict"]["sound"])
        self.assertEqual(json.loads(stage["trust"]), report["trust"])
        intervals = base.execute("SELECT * FROM interval ORDER BY t_s").fetchall()
        for column in ("started", "ended", "scored", "ok", "failed", "events", "completion_tokens", "reads"):
            values = [row[column] for row in intervals]
            self.assertEqual(values, sorted(values), f"interval.{column} only grows")
        for row in intervals:
            self.assertEqual(row["in_flight"], row["started"] - row["ended"], tuple(row))
            self.assertLessEqual(row["ok"] + row["failed"] + row["cancelled"], row["scored"])

    def little(self, found, report):
        """Little's law, with every exchange cut at the window's end."""
        stayed = sum(max(0, min(x["end_ns"], found.end) - x["started_ns"]) for x in found.exchanges)
        achieved = report["metrics"]["achieved_concurrency"]["value"]
        self.assertAlmostEqual(achieved, stayed / (found.end - found.start), places=6)

    def run_judged(self, root, *args, **more):
        report, result = self.run_against(root, *args, **more)
        return report, self.judge(report, result)

    def test_streamed(self):
        root = self.mock("--ttft", "30ms", "--itl", "4ms", "--tokens", 24)
        report, found = self.run_judged(root, "--stream", "--parallel", 20, "-n", 300)
        self.assertEqual(report["counts"]["ok"], 300)
        self.assertIsNotNone(found.steady)
        self.every_lie_is_found(report, found)

    def every_lie_is_found(self, report, found):
        """The judge judged: whichever number of the report is changed, it says so."""
        places = [(part, name, key) for part in (report["metrics"], report["steady"]["metrics"])
                  for name, values in part.items() for key, value in values.items() if isinstance(value, (int, float)) and value and name != "receive_delay"]
        places += [(report[block], None, key) for block in ("counts", "tokens", "window") for key, value in report[block].items()
                   if isinstance(value, (int, float)) and value]
        missed = []
        for block, name, key in places:
            values = block if name is None else block[name]
            kept, values[key] = values[key], values[key] * 1.01 + 1e-6 if not isinstance(values[key], bool) else not values[key]
            if not compare_report(found, report).wrong and (name, key) != (None, "not_started"):
                missed.append((name, key))
            values[key] = kept
        self.assertGreater(len(places), 300)
        self.assertEqual([place for place in missed if place[0] not in ("max_concurrency", "coalesced_share")], [])

    def test_the_summary_says_what_is_exact(self):
        root = self.mock("--ttft", "10ms", "--itl", "2ms", "--tokens", 8)
        self.run_against(root, "--stream", "--parallel", 4, "-n", 40)
        rough = {row[0] for row in self.database().execute("SELECT DISTINCT metric FROM summary WHERE exact=0")}
        self.assertEqual(rough, {"itl", "receive_delay"}, "nothing else comes from a histogram")

    def test_two_workers(self):
        root = self.mock("--ttft", "10ms", "--itl", "2ms", "--tokens", 8)
        self.run_judged(root, "--stream", "--parallel", 30, "-n", 400, "-t", 2)

    def test_plain(self):
        root = self.mock("--ttft", "10ms", "--itl", "1ms", "--tokens", 8)
        report, _ = self.run_judged(root, "--parallel", 5, "-n", 60)
        self.assertEqual(report["counts"]["plain"], 60)

    def test_one_request(self):
        self.run_judged(self.mock("--ttft", "10ms", "--itl", "1ms", "--tokens", 8), "--stream", "-n", 1)

    def test_as_many_requests_as_slots(self):
        root = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 8)
        self.run_judged(root, "--stream", "-n", 5, "--parallel", 5)

    def test_never_as_many_as_asked(self):
        root = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 8)
        report, _ = self.run_judged(root, "--stream", "-n", 5, "--parallel", 9)
        self.assertIsNone(report["steady"])

    def test_one_token(self):
        root = self.mock("--ttft", "10ms", "--itl", "1ms", "--tokens", 1)
        report, _ = self.run_judged(root, "--stream", "--parallel", 5, "-n", 50)
        self.assertEqual(report["metrics"]["tpot"]["n"], 0)
        self.assertEqual(report["metrics"]["itl"]["n"], 0)

    def test_several_choices(self):
        root = self.mock("--ttft", "10ms", "--itl", "2ms", "--tokens", 6)
        for name, words in (("streamed", ["--stream"]), ("plain", [])):
            report, result = self.run_against(root, *words, "--n-choices", 2, "--parallel", 4, "-n", 40, "--name", name)
            found = self.judge(report, result, name)
            self.assertEqual(report["tokens"]["completion"], 40 * 12)
            if words:
                self.assertEqual(report["metrics"]["itl"]["n"], 40 * 2 * 5)
                self.assertEqual({max(x.index) for x in found.exchanges}, {1})
            texts = [json.loads(x["response_messages"]) for x in found.exchanges]
            for x, messages in zip(found.exchanges, texts):
                spoken = {0: "", 1: ""}
                for choice in (c for m in messages if m != "[DONE]" for c in json.loads(m)["choices"]):
                    spoken[choice["index"]] += choice.get("delta", choice.get("message")).get("content") or ""
                self.assertEqual(x["text"], spoken[0] + "\n" + spoken[1])

    @judged_by_the_clock
    def test_answers_that_straddle_the_end(self):
        root = self.mock("--ttft", "200ms", "--itl", "30ms", "--jitter", "20%", "--tokens", 30)
        report, found = self.run_judged(root, "--stream", "--parallel", 12, "--duration", "2.5s")
        straddling = [x for x in found.exchanges if x["end_ns"] > found.end]
        self.assertGreater(len(straddling), 6)
        self.assertGreater(report["window"]["drain_s"], 0.2)
        shares = [x.share_until(found.end) for x in straddling]
        self.assertTrue(any(0 < share < 1 for share in shares))

    @judged_by_the_clock
    def test_cancelled_answers_count_by_their_events(self):
        root = self.mock("--ttft", "50ms", "--itl", "50ms", "--tokens", 1000)
        report, _ = self.run_judged(root, "--stream", "--parallel", 6, "--duration", "1500ms", "--grace", "300ms",
                                    expect=1)
        self.assertEqual(report["counts"]["cancelled"], 6)

    def test_plain_answers_that_straddle_the_end(self):
        root = self.mock("--ttft", "300ms", "--itl", "10ms", "--jitter", "30%", "--tokens", 20)
        self.run_judged(root, "--parallel", 7, "--duration", "1700ms")

    def test_mixed_fates(self):
        fates = ["", "?status=500", "?abort=3", "", "?reset=5", "?error=2", "?status=429", "?nousage=1", "?coal=4",
                 "?status=404", "?nodone=1", "?ping=2", "?empty=1", "?hold=1", "?close=1", "?crlf=1&split=1",
                 "?abort=0"]
        self.write("fates.lua", FATES % ", ".join(f'"{fate}"' for fate in fates))
        root = self.mock("--ttft", "20ms", "--itl", "3ms", "--tokens", 12)
        report, found = self.run_judged(root, "--stream", "--parallel", 10, "-n", 340, api=self.path("fates.lua"))
        by_fate = {}
        for x in found.exchanges:
            by_fate.setdefault(fates[x["arrival"] % len(fates)], set()).add(x["outcome"])
        expected = {"": {"ok"}, "?status=500": {"http_5xx"}, "?error=2": {"stream_error"}, "?status=429": {"http_429"},
                    "?status=404": {"http_4xx"}, "?empty=1": {"empty"}}
        for fate, outcomes in by_fate.items():
            cut = {"reset", "truncated"} if "abort" in fate or "reset" in fate else {"ok"}
            self.assertLessEqual(outcomes, expected.get(fate, cut), fate)
        self.assertEqual(report["tokens"]["sources"]["events"], 20)
        self.assertIn("p99", report["felt"]["latency"])

    def test_nothing_succeeds(self):
        root = self.mock()
        report, _ = self.run_judged(root, "--stream", "--parallel", 3, "-n", 20, expect=1,
                                    path="/v1/chat/completions?status=503")
        self.assertEqual(report["counts"]["by_outcome"]["http_5xx"], 20)

    def test_reasoning_tools_and_refusals(self):
        """Kinds that the mock does not send: reasoning before the answer, tool calls, refusals, details of usage."""
        def choice(**delta):
            return event(None, **{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        usage = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 6},
                 "prompt_tokens_details": {"cached_tokens": 4}}
        shapes = (
            [choice(role="assistant"), choice(reasoning_content="think"), choice(reasoning_content=" on"),
             choice(content="so"), choice(content=" be it"), event(finish="stop", usage=usage), DONE],
            [choice(role="assistant", content=None),
             choice(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ""}}]),
             choice(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]), event(finish="tool_calls"), DONE],
            [choice(refusal="I "), choice(refusal="won't"), event(finish="stop"), DONE],
            [choice(content="x", reasoning="both"), b": ping\n\n", choice(content="y"), event(finish="stop"), DONE],
        )
        counter = iter(range(10**6))

        def serve(connection, _):
            while read_request(connection):
                for piece in answer(*shapes[next(counter) % len(shapes)]).splitlines(keepends=True):
                    connection.sendall(piece)
                    time.sleep(0.001)
        with ScriptedServer(serve) as server:
            report, result = self.run_against(server.url, "--stream", "--parallel", 2, "-n", 40)
        found = self.judge(report, result)
        self.assertEqual(report["counts"]["ok"], 40, report["errors"])
        self.assertEqual(report["tokens"]["reasoning"], 60)
        self.assertEqual(report["tokens"]["cached"], 40)
        kinds = {"".join(x.kinds) for x in found.exchanges}
        self.assertEqual(kinds, {"orrccud", "ottod", "ffod", "cpcod"})

    def test_connections_that_break(self):
        def serve(connection, number):
            if read_request(connection) and number % 3:
                connection.sendall(answer(event("a"), event("b"), event(finish="stop"), DONE))
            else:
                reset(connection)
        with ScriptedServer(serve) as server:
            report, result = self.run_against(server.url, "--stream", "--parallel", 4, "-n", 60)
        self.judge(report, result)
        self.assertGreater(report["counts"]["failed"], 10)


class Truth(Case):
    @judged_by_the_clock
    def test_against_the_servers_stamps(self):
        """The mock says in each event when it had read the request and when it sent the event."""
        root = self.mock("--ttft", "60ms", "--itl", "8ms", "--tokens", 20)
        report, _ = self.run_against(root, "--stream", "--parallel", 50, "-n", 400)
        late_first, late_gap = [], []
        for x in Recomputed(self.database()).exchanges:
            stamps = [json.loads(m) for m in json.loads(x["response_messages"]) if m != "[DONE]"]
            sent = [stamps[i]["sent_ns"] for i in x.text]
            seen = [x.times[i] for i in x.text]
            late_first.append((seen[0] - x["sent_ns"] - (sent[0] - stamps[0]["read_ns"])) / 1e6)
            late_gap += [((b - a) - (d - c)) / 1e6 for a, b, c, d in zip(seen, seen[1:], sent, sent[1:])]
            self.assertLessEqual(x["sent_ns"], stamps[0]["read_ns"], "sent before the server had read it")
            for own, theirs in zip(seen, sent):
                self.assertLessEqual(theirs, own, "no event came before it was sent")
        self.assertEqual(report["counts"]["ok"], 400)
        for name, errors in (("TTFT", late_first), ("ITL", [abs(e) for e in late_gap])):
            errors.sort()
            at = {q: errors[int(q / 100 * (len(errors) - 1))] for q in (50, 90, 99, 100)}
            print(f"\n  {name} is off by ms: " + ", ".join(f"p{q} {v:.3f}" for q, v in at.items()), end="")
            self.assertLess(at[50], 5, name)
        print()


class ByHand(unittest.TestCase):
    def test_the_judge_itself(self):
        """Percentiles and sums of recompute.py against numbers worked out on paper."""
        from recompute import percentile, statistics
        self.assertEqual(percentile([1, 2, 3, 4], 0.5), 2.5)
        self.assertAlmostEqual(percentile([10, 20, 30], 0.9), 28)
        found = statistics([2, 4, 4, 4, 5, 5, 7, 9])
        self.assertEqual((found["mean"], found["std"], found["n"]), (5, 2, 8))


if __name__ == "__main__":
    unittest.main()
