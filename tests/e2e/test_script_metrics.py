"""A script's own metrics: every number of them against a recomputation from the database's rows."""
import json
import math
import unittest

from harness import Case, judged_by_the_clock
from recompute import Recomputed, per_request, statistics

SCRIPT = """
local api = require "apis.openai"
local build, read = api.build_request, api.read_event
local fates = { "", "", "", "?status=500", "" }
function api.build_request(messages, opts, ctx)
    return build(messages, opts, ctx), { url = opts.url .. fates[ctx.index % #fates + 1] }
end
function api.read_event(data, name, ctx)
    ctx.seen = (ctx.seen or 0) + #data
    return read(data, name, ctx)
end
api.metrics = {
    { name = "words", unit = "count", title = "Words", of = function(sample)
        return select(2, sample.text:gsub("%S+", ""))
    end },
    { name = "answering", unit = "seconds", title = "Answering time", formula = "latency - ttft", of = function(sample)
        return sample.latency - sample.ttft
    end },
    { name = "seen", unit = "bytes", over = "all", of = function(_, ctx) return ctx.seen end },
    { name = "below", unit = "points", of = function(sample) return -1.5 * sample.index end },
    { name = "odd", unit = "share", of = function(sample)
        if sample.index % 10 == 2 then return sample.no_such_thing end
        if sample.index % 2 == 1 then return sample.index / 7 end
    end },
    { name = "never", unit = "s", of = function() return nil end },
}
return api
"""
NAMES = {"words": "Words", "answering": "Answering time", "seen": "seen (bytes)", "below": "below (points)",
         "odd": "odd (share)", "never": "never"}
COLUMNS = ("mean", "std", "min", "p50", "p90", "p95", "p99", "max", "n")


class ScriptMetrics(Case):
    def started(self, *words, script=SCRIPT, **more):
        root = self.mock("--ttft", "20ms", "--itl", "2ms", "--tokens", 12)
        path = self.write("mine.lua", script)
        return self.run_against(root, "--stream", *words, api=path, **more)

    @staticmethod
    def expected(x):
        """What each metric is for this row, from the row's other columns."""
        row = x.row
        index, ok = row["arrival"], row["outcome"] == "ok"
        built_in = per_request(x)
        values = {"seen": sum(len(payload.encode()) for payload in json.loads(row["response_messages"]))}
        if ok:
            values.update(words=len(row["text"].split()), answering=built_in["latency"] - built_in["ttft"], below=-1.5 * index)
            if index % 2 == 1:
                values["odd"] = index / 7
        return values

    def same_statistics(self, what, values, told):
        """`told` are the statistics of these values; of none only n."""
        ours = statistics(values) if values else {"n": 0}
        for key, value in told.items():
            if ours.get(key) is None:
                self.assertIsNone(value, (what, key))
            else:
                self.assertTrue(math.isclose(value, ours[key], rel_tol=1e-9, abs_tol=1e-12), (what, key, value, ours[key]))

    def check_report(self, where, exchanges, metrics):
        for name in NAMES:
            values = [json.loads(x.row["metrics"])[name] for x in exchanges if name in json.loads(x.row["metrics"])]
            told = {key: value for key, value in metrics[name].items()
                    if key not in ("exact", "title", "unit", "over", "formula", "failed")}
            self.assertEqual(len(told), 18, name)
            self.same_statistics(f"{where} {name}", values, told)
            self.assertEqual(metrics[name]["exact"], True if values else None)

    def check_table(self, exchanges, out):
        lines = out[out.index("Metrics of the script"):].splitlines()
        for name, label in NAMES.items():
            values = [json.loads(x.row["metrics"]).get(name) for x in exchanges]
            ours = statistics([value for value in values if value is not None]) if any(v is not None for v in values) else {"n": 0}
            line = next(line for line in lines if line.startswith(f"  {label}  "))
            for column, printed in zip(COLUMNS, line[len(label) + 2:].split(), strict=True):
                if ours.get(column) is None:
                    self.assertEqual(printed, "-", (name, column))
                else:
                    printed = printed.rstrip("*")
                    digits = len(printed.partition(".")[2])
                    self.assertLessEqual(abs(float(printed) - ours[column]), 0.5000001 * 10 ** -digits, (name, column))

    def check_summary(self, part, metrics):
        rows = self.database().execute("SELECT metric, statistic, value FROM summary WHERE part=?", (part,)).fetchall()
        stored = {(row["metric"], row["statistic"]): row["value"] for row in rows if row["metric"] in NAMES}
        told = {(name, key): metrics[name][key] for name in NAMES for key in metrics[name]
                if key in (*COLUMNS, "p1", "p5", "p10", "p25", "p66", "p75", "p80", "p98", "p99_9") and metrics[name]["n"]}
        self.assertEqual(stored.keys(), told.keys())
        for key, value in stored.items():
            self.assertTrue(math.isclose(value, told[key], rel_tol=1e-14), key)

    def test_every_number(self):
        report, result = self.started("--parallel", 10, "-n", 200, "-t", 2)
        found = Recomputed(self.database())
        self.assertEqual((report["counts"]["ok"], report["counts"]["failed"]), (160, 40))
        for x in found.exchanges:
            values = json.loads(x.row["metrics"])
            for name, value in self.expected(x).items():
                self.assertTrue(math.isclose(values.pop(name), value, rel_tol=1e-12, abs_tol=1e-12), (name, x["arrival"]))
            self.assertEqual(values, {}, x["arrival"])
        self.check_report("whole", found.exchanges, report["metrics"])
        self.check_table(found.exchanges, result.out)
        self.check_summary("whole", report["metrics"])
        began = self.database().execute("SELECT steady_start_ns FROM stage").fetchone()[0]
        steady = [x for x in found.exchanges if x["started_ns"] >= began]
        self.assertNotEqual(len(steady), len(found.exchanges))
        self.check_report("steady", steady, report["steady"]["metrics"])
        self.check_summary("steady", report["steady"]["metrics"])
        self.assertEqual(report["metrics"]["seen"]["n"], 200, "over all")
        self.check_failures(report, result)

    def check_failures(self, report, result):
        """Twenty of the arrivals that end in 2 have none, by a slip that is named once and counted."""
        rows = self.database().execute("SELECT arrival, outcome, metric_error FROM result").fetchall()
        failed = [row["arrival"] for row in rows if row["metric_error"]]
        self.assertEqual(sorted(failed), [index for index in range(200) if index % 10 == 2])
        self.assertEqual(report["metrics"]["odd"]["failed"], 20)
        self.assertEqual(report["metrics"]["words"]["failed"], 0)
        self.assertEqual({row["outcome"] for row in rows if row["metric_error"]}, {"ok"}, "the outcome stays")
        sentence = r"metric 'odd': \S+mine.lua:\d+: sample has no 'no_such_thing'"
        self.assertRegex(report["metric_error"], sentence)
        self.assertRegex(" ".join(result.out.split()), "20 values missing where the script failed, first: " + sentence)
        self.assertIn("the script failed to give 20 values of its own metrics", " ".join(report["verdict"]["remarks"]))
        self.assertNotIn("own metrics", " ".join(report["verdict"]["reasons"]), "a remark leaves the run sound")
        with open(self.path("outputs/run.log"), encoding="utf-8") as log:
            self.assertEqual(log.read().count("has no value: metric 'odd'"), 1)

    def test_what_they_are_is_told(self):
        report, _ = self.started("--parallel", 2, "-n", 4)
        stored = {row["name"]: dict(row) for row in self.database().execute("SELECT * FROM metric")}
        self.assertEqual(stored.keys(), NAMES.keys())
        for name, row in stored.items():
            told = report["metrics"][name]
            self.assertEqual({key: told[key] for key in ("title", "unit", "over", "formula")},
                             {key: row[key] for key in ("title", "unit", "over", "formula")})
        self.assertEqual(stored["answering"], {"name": "answering", "title": "Answering time", "unit": "s",
                                               "over": "successes", "formula": "latency - ttft", "position": 1})
        self.assertEqual(stored["seen"]["over"], "all with a response")

    def test_without_any(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 4)
        report, result = self.run_against(root, "--stream", "-n", 3)
        self.assertNotIn("Metrics of the script", result.out)
        self.assertIsNone(report["metric_error"])
        self.assertEqual(self.database().execute("SELECT count(*), count(metrics) FROM result").fetchone()[:], (3, 0))
        self.assertEqual(self.database().execute("SELECT count(*) FROM metric").fetchone()[0], 0)

    def test_stages_and_debug(self):
        report, result = self.started("--parallel", "2,4", "-n", "6,9", "--debug")
        self.assertEqual([stage["metrics"]["below"]["max"] for stage in report["stages"]], [0, -1.5 * 6])
        self.assertEqual([stage["metrics"]["seen"]["n"] for stage in report["stages"]], [6, 9])
        self.assertEqual(result.out.count("Metrics of the script"), 2)
        self.assertRegex(result.err, r"request 1 metrics: words \d+ answering 0\.\d+ seen \d+ below -1\.5 odd 0\.142857")
        rows = self.database().execute("SELECT stage, value FROM summary WHERE metric='seen' AND statistic='n' "
                                       "AND part='whole' ORDER BY stage").fetchall()
        self.assertEqual([row["value"] for row in rows], [6, 9])

    @judged_by_the_clock
    def test_one_that_does_not_return(self):
        """It is named, and the run ends with what was measured before."""
        script = """
local api = require "apis.openai"
api.metrics = {
    { name = "fine", unit = "count", of = function() return 1 end },
    { name = "stuck", unit = "count", of = function(sample) while sample.index == 5 do end return 2 end },
}
return api
"""
        report, result = self.started("-n", 40, "--hook-timeout", "300ms", script=script, expect=1)
        self.assertRegex(report["end"]["stop_reason"], r"^metric 'stuck': (\S+:\d+: )?did not return within 0?\.?3")
        self.assertIn("metric 'stuck'", result.err)
        self.assertGreaterEqual(report["metrics"]["fine"]["n"], 5)
        self.assertLess(report["counts"]["due"], 40)

    def test_changing_ones_are_refused(self):
        script = self.write("chance.lua", 'local api = require "apis.openai"\n'
                            'local file = io.open("loaded", "a+")\n'
                            'file:write("x")\n'
                            'api.metrics = { { name = "loading" .. file:seek("end"), unit = "s", of = function() end } }\n'
                            'file:close()\nreturn api\n')
        result = self.llmbench("--api", script, "--url", "http://127.0.0.1:9/v1/chat/completions", "--model", "m",
                               "--prompt", "x", "--offline", expect=3)
        self.assertIn("chance.lua: 'metrics' is not the same each time the script is loaded", result.err)

    def test_refused_before_anything_is_sent(self):
        script = self.write("bad.lua", 'local api = require "apis.openai"\n'
                            'api.metrics = { { name = "ttft", unit = "s", of = function() end } }\nreturn api\n')
        result = self.llmbench("--api", script, "--url", "http://127.0.0.1:9/v1/chat/completions", "--model", "m",
                               "--prompt", "x", "--offline", expect=3)
        self.assertIn("bad.lua:2: metrics[1]: 'ttft': that is the name of a built-in metric", result.err)


if __name__ == "__main__":
    unittest.main()
