"""The reports in the dialects of other tools, where the outputs go, and what describes a run."""
import json
import os
import re
import unittest

from harness import Case, judged_by_the_clock

LABELS = ["QPS", "RPM",
          "Latency Avg", "Latency Min", "Latency Max", "Latency 50%", "Latency 80%",
          "FirstTokenLatency Avg", "FirstTokenLatency Min", "FirstTokenLatency Max", "FirstTokenLatency 50%",
          "FirstTokenLatency 80%", "InputTokens Avg", "OutputTokens Avg", "TotalQuery", "SuccessQuery", "FailureQuery",
          "TotalTime", "SuccessRate"]
LIVE = re.compile(r"^(\d\d:\d\d:\d\d) \[并发\] (\d+) \[问答/错误\] (\d+)/(\d+)"
                  r"(?: \[平均延迟\] ([\d.]+)秒 \[出字均速\] 每秒([\d.]+)字 \[总吞吐\] (?:([\d.]+) 字/秒|统计中))?$", re.M)


class Reports(Case):
    def go(self, *words, mock=("--ttft", "50ms", "--itl", "5ms", "--tokens", 10), **more):
        return self.run_against(self.mock(*mock), "--stream", *words, **more)

    def test_default_is_the_table(self):
        _, result = self.go("-n", 2)
        self.assertIn("Succeed requests", result.out)
        self.assertNotIn("TotalQuery", result.out)
        self.assertNotIn("测试结果", result.out)

    def test_qianfan(self):
        report, result = self.go("-n", 40, "-c", 4, "--report", "qianfan")
        block, _, rest = result.out.partition("\n\n")
        values = dict(line.split(": ") for line in block.splitlines())
        self.assertEqual(list(values), LABELS)
        self.assertNotIn("Succeed requests", result.out)
        metrics, counts = report["metrics"], report["counts"]
        expected = {"QPS": counts["ok"] / report["window"]["seconds"],
                    "RPM": 60 * counts["ok"] / report["window"]["seconds"],
                    "InputTokens Avg": metrics["input_tokens"]["mean"],
                    "OutputTokens Avg": metrics["output_tokens"]["mean"],
                    "TotalQuery": 40, "SuccessQuery": 40, "FailureQuery": 0,
                    "TotalTime": report["window"]["seconds"]}
        for label, metric in (("Latency", "latency"), ("FirstTokenLatency", "ttft")):
            for name, statistic in (("Avg", "mean"), ("Min", "min"), ("Max", "max"), ("50%", "p50"), ("80%", "p80")):
                expected[f"{label} {name}"] = metrics[metric][statistic]
        for label, value in expected.items():
            self.assertAlmostEqual(float(values[label]), value, delta=0.006, msg=label)
        self.assertEqual(values["SuccessRate"], "100.00%")
        last = rest.rstrip("\n").splitlines()[-1]
        self.assertEqual(last, "Log: ./outputs/run.log")
        self.assertTrue(os.path.exists(self.path("outputs/run.log")))

    def test_qianfan_counts_what_was_sent(self):
        """Failures are real failures, not rows that were never sent; the rate is over what was sent."""
        root = self.mock()
        self.write("third.lua", """
            local openai = require "apis.openai"
            local build = openai.build_request
            function openai.build_request(messages, opts, ctx)
                local body = build(messages, opts, ctx)
                if ctx.index % 3 == 2 then return "not JSON" end
                return body end
            return openai""")
        report, result = self.run_against(root, "-n", 12, "--report", "qianfan", api=self.path("third.lua"))
        self.assertEqual(report["counts"]["failed"], 4)
        for line in ("TotalQuery: 12", "SuccessQuery: 8", "FailureQuery: 4", "SuccessRate: 66.67%", "FirstTokenLatency Avg: -"):
            self.assertIn(line + "\n", result.out)

    @judged_by_the_clock
    def test_zh(self):
        report, result = self.go("-n", 150, "-c", 5, "--report", "zh", "--report-interval", "0.5s")
        lines = [match.groups() for match in LIVE.finditer(result.err)]
        self.assertGreaterEqual(len(lines), 3, result.err)
        self.assertNotIn("Time: ", result.err, "the live line takes the place of the progress")
        done = [int(line[2]) for line in lines]
        self.assertEqual(done, sorted(done))
        self.assertLess(done[0], 150)
        self.assertIn("5", [line[1] for line in lines])
        _, _, answers, errors, latency, speed, flow = lines[-1]
        self.assertEqual((answers, errors), ("150", "0"))
        self.assertAlmostEqual(float(latency), report["metrics"]["ttft"]["mean"], delta=0.051)
        self.assertAlmostEqual(float(speed), report["metrics"]["user_char_speed"]["mean"], delta=0.051)
        # from the first completion on, all of the characters: no less than over the whole window
        self.assertGreater(float(flow), 0.9 * report["metrics"]["char_throughput"]["value"])
        self.assertLess(float(flow), 1.5 * report["metrics"]["char_throughput"]["value"])
        for piece in ("\n测试结果\n", "问答总数                150\n", "./outputs/run.db\n", "./outputs/run.log\n",
                      "“平均延迟”是最近 500 次成功问答的平均首字时间（TTFT）"):
            self.assertIn(piece, result.out)

    @judged_by_the_clock
    def test_zh_without_enough_answers(self):
        _, result = self.go("-n", 1, "--report", "zh")
        self.assertRegex(result.err, r"(?m)^\d\d:\d\d:\d\d \[并发\] 1 \[问答/错误\] 1/0$")
        _, result = self.go("-n", 3, "--report", "zh", "--name", "b")
        self.assertRegex(result.err, r"(?m)\[问答/错误\] 3/0 \[平均延迟\] 0\.\d秒 \[出字均速\] 每秒[\d.]+字 \[总吞吐\] 统计中$")
        _, result = self.go("-n", 3, "--report", "zh", "--quiet", "--name", "c")
        self.assertNotIn("并发", result.err)
        self.assertIn("测试结果", result.out)

    def test_several(self):
        _, result = self.go("-n", 2, "--report", "zh", "table", "--report", "qianfan", "zh")
        marks = ["测试结果", "Succeed requests", "TotalQuery: 2"]
        places = [result.out.index(mark) for mark in marks]
        self.assertEqual(places, sorted(places), "in the order of their names")
        self.assertEqual([result.out.count(mark) for mark in marks], [1, 1, 1])

    def test_each_stage(self):
        """Each stage has its blocks, and the live line begins anew."""
        _, result = self.go("-n", 6, "--parallel", 1, 3, "--sleep-interval", "0.1s", "--report", "zh", "qianfan")
        self.assertEqual(re.findall(r"^  负载 +(.*)$", result.out, re.M), ["1 parallel", "3 parallel"])
        self.assertEqual(result.out.count("TotalQuery: 6\n"), 2)
        self.assertEqual([match.group(2, 3) for match in LIVE.finditer(result.err)], [("1", "6"), ("3", "6")])

    def test_beside_json_on_stdout(self):
        result = self.llmbench("--url", self.mock() + "/v1/chat/completions", "--model", "m", "-n", 1, "--offline", "--json", "-",
                               "--report", "qianfan", expect=0)
        self.assertEqual(json.loads(result.out)["counts"]["ok"], 1)
        self.assertIn("TotalQuery: 1", result.err)

    def test_no_such_report(self):
        result = self.llmbench("--url", "http://127.0.0.1:9", "--report", "tabel", expect=2)
        self.assertIn("--report tabel: there is none of that name", result.err)
        result = self.llmbench("--url", "http://127.0.0.1:9", "--report-interval", "10ms", expect=2)
        self.assertIn("report-interval", result.err)


class Outputs(Case):
    def job(self, *words, expect=0):
        return self.llmbench("--url", self.mock() + "/v1/chat/completions", "--model", "m", "-n", 1, "--offline", "--json", "-",
                             *words, expect=expect)

    def test_work_dir(self):
        cases = ((("--work-dir", "w1/deep/", "--name", "my test run"), "w1/deep/output", "my_test_run", "my test run"),
                 (("--work-dir", "w2"), "w2/output", "llm_benchmark", None))
        for words, parent, folder, name in cases:
            result = self.job(*words)
            found = os.listdir(self.path(parent))
            self.assertEqual(len(found), 1)
            self.assertRegex(found[0], f"^{folder}-2\\d{{13}}$")
            files = sorted(os.listdir(self.path(f"{parent}/{found[0]}")))
            database, log = json.loads(result.out)["database"], json.loads(result.out)["log"]
            self.assertEqual([os.path.basename(database), os.path.basename(log)], files)
            self.assertTrue(os.path.samefile(self.path(database), self.path(f"{parent}/{found[0]}/{files[0]}")))
            if name:
                self.assertEqual(files, [name + ".db", name + ".log"])
        self.assertFalse(os.path.exists(self.path("outputs")))

    def test_work_dir_refused(self):
        result = self.job("--work-dir", "w", "--outputs-dir", "o", expect=2)
        self.assertIn("both say where the outputs go", result.err)
        self.assertIn("--work-dir is empty", self.job("--work-dir", "", expect=2).err)
        self.write("file", "")
        self.assertIn("--work-dir: ", self.job("--work-dir", "file", expect=3).err)

    def test_desc(self):
        text = "before the \"upgrade\" 升级前"
        result = self.job("--desc", text, "--name", "run")
        self.assertEqual(json.loads(result.out)["options"]["desc"], text)
        options = self.database().execute("SELECT options FROM run").fetchone()[0]
        self.assertEqual(json.loads(options)["desc"], text)
        result = self.job("--name", "none")
        self.assertNotIn("desc", json.loads(result.out)["options"])


if __name__ == "__main__":
    unittest.main()
