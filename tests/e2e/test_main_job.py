"""The main job against the mock server, with what the server saw as the judge."""
import json
import os
import re
import signal
import socket
import time
import unittest

from harness import Case, SOURCE, interrupt, judged_by_the_clock, stats, wait_for

ANALYSIS = "SELECT request, response_messages, prompt_tokens, completion_tokens FROM result WHERE success=1"


class MainJob(Case):
    @judged_by_the_clock
    def test_a_thousand_requests_a_hundred_at_once(self):
        root = self.mock("--ttft", "50ms", "--itl", "10ms", "--jitter", "10%", "--tokens", 32)
        report, result = self.run_against(root, "--parallel", 100, "-n", 1000, "--stream",
                                          api=os.path.join(SOURCE, "lua/apis/openai.lua"))
        seen = stats(root)
        self.assertEqual(report["counts"]["ok"], 1000)
        self.assertEqual(report["counts"]["failed"], 0)
        self.assertEqual(seen["requests"]["total"], 1000)
        self.assertEqual(seen["bodies"]["distinct"], 200, "every bundled question, and nothing else")
        self.assertEqual(seen["completion_tokens"], 32000)
        self.assertEqual(report["tokens"]["completion"], 32000)
        self.assertEqual(report["tokens"]["prompt"], seen["prompt_tokens"])
        self.assertEqual(seen["in_flight"]["max"], 100)
        if not os.environ.get("LLMBENCH_SANITIZE"):
            self.assertGreater(seen["in_flight"]["steady_mean"], 98)
        rows = self.database().execute(ANALYSIS).fetchall()
        self.assertEqual(len(rows), 1000)
        for row in rows:
            self.assertEqual(row["completion_tokens"], 32)
            self.assertEqual(json.loads(row["request"])["messages"][0]["role"], "user")
            self.assertIn("id", json.loads(json.loads(row["response_messages"])[0]))
        self.assertIn("Succeed requests", result.out)
        print(f"\n  server: {json.dumps(seen['in_flight'])}, lateness {json.dumps(seen['lateness_us'])}")

    def test_two_workers_send_the_same_bodies_as_one(self):
        sums = []
        for threads in (1, 2, 4):
            root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 4)
            report, _ = self.run_against(root, "--parallel", 8, "-n", 300, "-t", threads, "--stream",
                                         "--outputs-dir", self.path(f"out{threads}"))
            self.assertEqual(report["counts"]["ok"], 300)
            sums.append(stats(root)["bodies"]["body_hash_sum"])
        self.assertEqual(len(set(sums)), 1, sums)

    def test_plain_answers_have_no_ttft(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 4)
        report, _ = self.run_against(root, "-n", 20)
        self.assertEqual(report["counts"]["ok"], 20)
        self.assertEqual(report["tokens"]["completion"], 80)
        self.assertEqual(report["metrics"]["ttft"]["n"], 0)
        self.assertGreater(report["metrics"]["latency"]["p50"], 0.007)

    def test_completions_by_url(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 4)
        for words in ([], ["--stream"]):
            report, _ = self.run_against(root, "-n", 5, "--name", "c%d" % len(words), *words, path="/v1/completions")
            self.assertEqual(report["counts"]["ok"], 5)
        self.assertEqual(stats(root)["completion_tokens"], 40)

    def test_once_over_the_data(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--parallel", 8)
        self.assertEqual(report["counts"]["ok"], 200)
        self.assertEqual(report["end"]["reason"], "data")
        self.assertEqual(stats(root)["bodies"]["distinct"], 200)

    def test_one_prompt_is_one_request(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--prompt", "say 你好 \"now\"", dataset=None)
        self.assertEqual(report["counts"]["ok"], 1)
        body = json.loads(self.database().execute("SELECT request FROM result").fetchone()[0])
        self.assertEqual(body["messages"], [{"role": "user", "content": "say 你好 \"now\""}])

    def test_prompt_from_a_file(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.write("p.txt", "two\nlines")
        self.run_against(root, "--prompt", "@p.txt", "-n", 3, dataset=None)
        bodies = {row[0] for row in self.database().execute("SELECT request FROM result")}
        self.assertEqual([json.loads(body)["messages"][0]["content"] for body in bodies], ["two\nlines"])

    def test_sampling_options_only_when_given(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 8)
        self.run_against(root, "-n", 1)
        body = json.loads(self.database().execute("SELECT request FROM result").fetchone()[0])
        self.assertEqual(sorted(body), ["messages", "model"])
        self.run_against(root, "-n", 1, "--name", "given", "--stream", "--max-tokens", 3, "--temperature", "0.7",
                         "--seed", "9007199254740993", "--stop", "a", "b")
        body = self.database("given").execute("SELECT request FROM result").fetchone()[0]
        self.assertIn('"seed":9007199254740993', body)
        body = json.loads(body)
        self.assertEqual(body["max_tokens"], 3)
        self.assertEqual(body["temperature"], 0.7)
        self.assertEqual(body["stop"], ["a", "b"])
        self.assertEqual(body["stream_options"], {"include_usage": True})

    def test_data_sets(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.write("lines.txt", "\ufeffone\r\n\ntwo\nthree")
        self.write("list.json", json.dumps([{"instruction": f"long {i} " + "x" * 5000} for i in range(7)]))
        self.write("rows.jsonl", '{"question":"q1"}\n{broken\n{"question":"q2"}\n')
        for name, file, count in (("line_by_line", "lines.txt", 3), ("longalpaca", "list.json", 7),
                                  ("openqa", "rows.jsonl", 2)):
            report, _ = self.run_against(root, "--dataset-path", file, "--name", name, dataset=name)
            self.assertEqual(report["counts"]["ok"], count, name)
        self.assertEqual(report["trust"]["malformed_rows"], 1)

    def test_a_bundled_sample_for_each_built_in_set(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, dataset="longalpaca")
        self.assertEqual(report["counts"]["ok"], 10)
        self.assertIn("bundled", report["run"]["data_source"])


class Stops(Case):
    @judged_by_the_clock
    def test_duration(self):
        root = self.mock("--ttft", "20ms", "--itl", "5ms", "--tokens", 16)
        begin = time.monotonic()
        report, _ = self.run_against(root, "--duration", "2s", "--parallel", 10, "--stream")
        took = time.monotonic() - begin
        self.assertEqual(report["end"]["reason"], "duration")
        self.assertEqual(report["counts"]["cancelled"], 0)
        self.assertEqual(report["counts"]["ok"], stats(root)["requests"]["total"])
        self.assertGreater(report["counts"]["ok"], 10)
        self.assertGreaterEqual(took, 2)
        self.assertAlmostEqual(report["window"]["seconds"], 2, delta=0.2)

    def test_what_outlives_the_grace_is_cancelled(self):
        root = self.mock("--ttft", "10s", "--itl", "5ms", "--tokens", 16)
        report, _ = self.run_against(root, "--duration", "2s", "--grace", "500ms", "--parallel", 10, "--stream", expect=1)
        self.assertEqual(report["counts"]["cancelled"], 10)
        self.assertEqual(report["counts"]["ok"], 0)
        rows = self.database().execute("SELECT outcome, success FROM result").fetchall()
        self.assertEqual({tuple(row) for row in rows}, {("cancelled", 0)})
        wait_for(lambda: stats(root)["in_flight"]["now"] == 0, what="the server is rid of the cancelled ones")

    def test_number_before_duration(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        report, _ = self.run_against(root, "--duration", "60s", "-n", 7)
        self.assertEqual((report["end"]["reason"], report["counts"]["ok"]), ("number", 7))

    def interrupted(self, *signals, slow="30ms", grace="30s"):
        root = self.mock("--ttft", "50ms", "--itl", slow, "--tokens", 20)
        process = self.spawn("--api", "openai", "--dataset", "openqa", "--offline", "--url", root + "/v1/chat/completions",
                             "--model", "m", "--parallel", 10, "-n", 100000, "--stream", "--name", "run", "--grace", grace,
                             "--json", self.path("report.json"))
        wait_for(lambda: stats(root)["requests"]["total"] >= 10, what="load")
        for number in signals:
            interrupt(process, 1, number)
        result = self.wait(process)
        return root, result

    def test_interrupt_drains_and_reports(self):
        root, result = self.interrupted(signal.SIGINT)
        self.assertEqual(result.code, 130, result.err)
        with open(self.path("report.json"), encoding="utf-8") as text:
            report = json.load(text)
        self.assertTrue(report["interrupted"])
        self.assertEqual(report["counts"]["cancelled"], 0)
        self.assertEqual(report["counts"]["ok"], stats(root)["requests"]["total"])
        self.assertIn("Succeed requests", result.out)
        base = self.database()
        self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        self.assertEqual(base.execute("SELECT count(*) FROM result").fetchone()[0], report["counts"]["ok"])

    def test_second_interrupt_cancels(self):
        root, result = self.interrupted(signal.SIGINT, signal.SIGINT, slow="2s")
        self.assertEqual(result.code, 130, result.err)
        base = self.database()
        cancelled = base.execute("SELECT count(*) FROM result WHERE outcome='cancelled'").fetchone()[0]
        self.assertEqual(cancelled, 10)
        self.assertEqual(base.execute("SELECT count(*) FROM result").fetchone()[0], stats(root)["requests"]["total"])

    def test_terminate_is_an_interrupt(self):
        _, result = self.interrupted(signal.SIGTERM)
        self.assertEqual(result.code, 130, result.err)


class CannotStart(Case):
    def test_dead_server(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            result = self.llmbench("--api", "openai", "--prompt", "x", "--model", "m", "--offline",
                                   "--url", f"http://127.0.0.1:{port}/v1/chat/completions", expect=3)
        self.assertIn(str(port), result.err)
        self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
        self.assertFalse(os.path.exists(self.path("outputs")), "nothing is left behind")

    def test_existing_database_is_kept(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "-n", 1)
        before = os.path.getsize(self.path("outputs/run.db"))
        result = self.llmbench("--api", "openai", "--prompt", "x", "--model", "m", "--name", "run",
                               "--url", root + "/v1/chat/completions", expect=2)
        self.assertIn("run.db", result.err)
        self.assertEqual(os.path.getsize(self.path("outputs/run.db")), before)

    def test_bad_words(self):
        for words, code, fragment in (
                (["--paralel", "3"], 2, "--parallel"),
                (["--parallel", "0"], 2, "0"),
                (["--parallel", "many"], 2, "many"),
                ([], 2, "--url"),
                (["rum"], 2, "run"),
                (["--url", "ftp://x/y", "--prompt", "x"], 2, "ftp"),
                (["--url", "http://127.0.0.1:9/", "-s", "missing.lua"], 3, "missing.lua"),
                (["--url", "http://127.0.0.1:9/", "--api", "nosuch"], 3, "nosuch"),
                (["--url", "http://127.0.0.1:9/", "--dataset", "nosuch"], 3, "nosuch"),
                (["--url", "http://127.0.0.1:9/", "--dataset", "line_by_line"], 3, "dataset-path"),
                (["--url", "http://127.0.0.1:9/", "--dataset", "openqa", "--dataset-path", "gone"], 3, "gone"),
                (["--url", "http://127.0.0.1:9/", "--prompt", "@gone"], 2, "gone")):
            result = self.llmbench(*words)
            self.assertEqual(result.code, code, f"{words}: {result.err}")
            self.assertIn(fragment, result.err, words)
            self.assertNotIn("Traceback", result.err)
            self.assertEqual(result.out, "")

    def test_empty_data(self):
        root = self.mock()
        self.write("empty.jsonl", "\n\n")
        result = self.llmbench("--api", "openai", "--dataset", "openqa", "--dataset-path", "empty.jsonl", "--model", "m",
                               "--url", root + "/v1/chat/completions", expect=3)
        self.assertIn("empty.jsonl", result.err)
        self.assertEqual(stats(root)["requests"]["total"], 0)


class Secrets(Case):
    def test_keys_are_nowhere(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2, "--api-key", "sk-verysecret-1234")
        report, result = self.run_against(root, "-n", 5, "--api-key", "sk-verysecret-1234", "-H", "X-Token: tok-alsosecret")
        self.assertEqual(report["counts"]["ok"], 5)
        _, wrong = self.run_against(root, "-n", 2, "--name", "wrong", "--api-key", "sk-wrongsecret-9", expect=1)
        for folder, _, files in os.walk(self.work):
            for name in files:
                with open(os.path.join(folder, name), "rb") as content:
                    data = content.read()
                for secret in (b"sk-verysecret-1234", b"sk-wrongsecret-9"):
                    self.assertNotIn(secret, data, name)
        for text in (result.out, result.err, wrong.out, wrong.err):
            self.assertNotRegex(text, r"sk-(very|wrong)secret")

    def test_key_from_the_environment(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2, "--api-key", "sk-fromenvironment")
        self.run_against(root, "-n", 1, env={"OPENAI_API_KEY": "sk-fromenvironment"})


class Outputs(Case):
    def test_json_on_stdout_is_json_alone(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        result = self.llmbench("--api", "openai", "--prompt", "x", "-n", 3, "--model", "m", "--json", "-",
                               "--url", root + "/v1/chat/completions", expect=0)
        self.assertEqual(json.loads(result.out)["counts"]["ok"], 3)

    def test_default_name(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.llmbench("--api", "openai", "--prompt", "x", "--model", "org/a model", root + "/v1/chat/completions", expect=0)
        names = os.listdir(self.path("outputs"))
        self.assertTrue(any(re.fullmatch(r"org_a_model_benchmark_\d{8}_\d{6}\.db", name) for name in names), names)

    def test_plain_progress_lines(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        _, result = self.run_against(root, "-n", 40, "--log-every-n-query", 10, "--stream")
        lines = [line for line in result.err.splitlines() if line.startswith("Time: ")]
        self.assertGreaterEqual(len(lines), 1)
        self.assertIn("succeed: ", lines[0])

    def test_help_and_version(self):
        self.assertIn("--parallel", self.llmbench("--help", expect=0).out)
        self.assertRegex(self.llmbench("--version", expect=0).out, r"llmbench \d+\.\d+\.\d+")
        self.assertIn("--ttft", self.llmbench("mock", "--help", expect=0).out)
        self.assertIn(".TH", self.llmbench("--help=man", expect=0).out)


class Scripts(Case):
    def test_a_custom_script_with_both_kinds_of_hooks(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.write("mine.lua", """
            local json = require "json"
            local mine = { path = "/v1/chat/completions", end_marker = "data: [DONE]" }
            function mine.build_messages() local i = 0
                return function() i = i + 1; if i <= 4 then return "prompt " .. i end end end
            function mine.build_request(messages, opts, ctx)
                return { model = opts.model, messages = messages, stream = true, user = "u" .. ctx.index } end
            function mine.read_event(data)
                if data == "[DONE]" then return { done = true } end
                local event = json.decode(data)
                local choice = event.choices and event.choices[1]
                return choice and { content = choice.delta.content, finish = choice.finish_reason } end
            function mine.parse_responses(responses) return nil, #responses end
            return mine""")
        result = self.llmbench("-s", "mine.lua", "--url", root, "--model", "m", "--name", "run", "--json", "r.json", expect=0)
        rows = self.database().execute("SELECT request, completion_source, completion_tokens FROM result ORDER BY arrival")
        rows = rows.fetchall()
        self.assertEqual([json.loads(row[0])["messages"][0]["content"] for row in rows], [f"prompt {i}" for i in range(1, 5)])
        self.assertEqual({row[1] for row in rows}, {"script"})
        self.assertIn("mine.lua", result.out)

    def test_errors_name_file_and_line(self):
        self.write("bad.lua", "return {\n  build_request = function(\n}")
        result = self.llmbench("-s", "bad.lua", "--url", "http://127.0.0.1:9/", expect=3)
        self.assertIn("bad.lua:3", result.err)

    def test_failing_hook_fails_its_request(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.write("odd.lua", """
            local openai = require "apis.openai"
            local build = openai.build_request
            function openai.build_request(messages, opts, ctx)
                if ctx.index % 2 == 1 then error("odd ones are not wanted") end
                return build(messages, opts, ctx) end
            return openai""")
        report, _ = self.run_against(root, "-n", 10, api=self.path("odd.lua"))
        self.assertEqual(report["counts"]["ok"], 5)
        self.assertEqual(report["counts"]["by_outcome"]["script_error"], 5)
        error = self.database().execute("SELECT error FROM result WHERE outcome='script_error'").fetchone()[0]
        self.assertIn("odd.lua:5", error)
        self.assertIn("traceback", error)

    def test_too_many_script_errors_end_the_run(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.write("never.lua", """
            local openai = require "apis.openai"
            local build = openai.build_request
            function openai.build_request(messages, opts, ctx)
                if ctx.index > 0 then error("never") end
                return build(messages, opts, ctx) end
            return openai""")
        report, _ = self.run_against(root, "-n", 100000, api=self.path("never.lua"), expect=1)
        self.assertEqual(report["end"]["reason"], "script_errors")
        self.assertEqual(stats(root)["requests"]["total"], 1)


class Scale(Case):
    @judged_by_the_clock
    def test_a_thousand_streams_in_one_worker(self):
        root = self.mock("--ttft", "1500ms", "--itl", "20ms", "--tokens", 16)
        report, _ = self.run_against(root, "--parallel", 1000, "-n", 2000, "--stream")
        self.assertEqual(report["counts"]["ok"], 2000)
        seen = stats(root)
        self.assertEqual(seen["completion_tokens"], 32000)
        self.assertGreater(seen["in_flight"]["max"], 900)


if __name__ == "__main__":
    unittest.main()
