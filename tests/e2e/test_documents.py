"""The example commands of the documents in docs/requirements.md, with a local URL in the place of theirs and llmbench in the place of
their program; where a ruling changes a word, it stands beside the case."""
import json
import os
import unittest

from harness import Case, stats

KEY = "sk-documents-0123456789"


class Documents(Case):
    def setUp(self):
        super().setUp()
        self.write("open_qa.jsonl", "".join(json.dumps({"question": f"问题 {i}？"}) + "\n" for i in range(30)))
        self.write("prompts.txt", "".join(f"prompt {i}\n" for i in range(20)))
        self.write("testset.txt", "16|short one\nlong one\n" + json.dumps([{"role": "user", "content": "ceval"}]) + "\n")

    def check(self, root, *words, ok, env=None, besides=0):
        result = self.llmbench(*words, "--offline", "--json", "report.json", env=env, expect=0)
        with open(self.path("report.json"), encoding="utf-8") as text:
            report = json.load(text)
        stages = report.get("stages", [report])
        self.assertEqual([stage["counts"]["ok"] for stage in stages], ok, result.err)
        self.assertEqual(stats(root)["requests"]["total"], sum(ok) + besides)
        os.unlink(self.path("report.json"))
        return report, result

    def bodies(self):
        folder = self.path("outputs")
        names = [name for name in os.listdir(folder) if name.endswith(".db")]
        self.assertEqual(len(names), 1)
        rows = self.database(names[0][:-3]).execute("SELECT request FROM result ORDER BY arrival").fetchall()
        return [json.loads(row[0]) for row in rows]

    def openai(self):
        return self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", 4)

    def test_d1_main_example(self):
        root = self.openai()
        self.check(root, "perf", "--url", root + "/v1/chat/completions", "--parallel", 1, "--model", "qwen2.5",
                   "--log-every-n-query", 10, "--read-timeout=120", "--dataset-path", "./open_qa.jsonl", "-n", 15,
                   "--max-prompt-length", 128000, "--api", "openai", "--stop", "<|im_end|>", "--dataset", "openqa",
                   "--stream", ok=[15])
        body = self.bodies()[0]
        self.assertEqual(body["stop"], ["<|im_end|>"])
        self.assertEqual(body["messages"], [{"role": "user", "content": "问题 0？"}])

    def test_d1_positional_url_and_template(self):
        root = self.openai()
        template = ('{"model":"%m","messages":[{"role":"user","content":"%p"}],"stream":true,'
                    '"skip_special_tokens":false,"stop":["<|im_end|>"]}')
        self.check(root, "perf", root + "/v1/chat/completions", "--parallel", 16, "--model", "qwen2.5",
                   "--log-every-n-query", 10, "--read-timeout=120", "-n", 40, "--max-prompt-length", 128000, "--api", "openai",
                   "--query-template", template, "--dataset", "openqa", "--dataset-path", "./open_qa.jsonl", ok=[40])
        body = self.bodies()[0]
        self.assertEqual((body["model"], body["stream"], body["skip_special_tokens"]), ("qwen2.5", True, False))
        self.assertEqual(body["messages"], [{"role": "user", "content": "问题 0？"}])

    def test_d1_api_key_and_headers(self):
        root = self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", 4, "--api-key", KEY)
        self.check(root, "perf", "--url", root + "/v1/chat/completions", "--api-key", KEY, "--parallel", 1, "--model", "gpt-4o",
                   "--dataset", "openqa", "--dataset-path", "./open_qa.jsonl", "-n", 5, "--api", "openai", "--stream", ok=[5])

    def test_d1_authorization_as_a_header(self):
        root = self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", 4, "--api-key", KEY)
        self.check(root, "perf", "--url", root + "/v1/chat/completions", "--headers", f"Authorization=Bearer {KEY}",
                   "--model", "m", "--prompt", "hello", "-n", 3, ok=[3])

    def test_d1_prompt_from_a_file_and_line_by_line(self):
        root = self.openai()
        self.check(root, "perf", "--url", root + "/v1/chat/completions", "--model", "m", "--dataset", "line_by_line",
                   "--dataset-path", "prompts.txt", "--parallel", 4, "--temperature", "0.9", "--max-tokens", 3, "--seed", 42,
                   "--top-p", "0.8", "--n-choices", 1, "--frequency-penalty", "0.1", "--logprobs", ok=[20])
        body = self.bodies()[0]
        self.assertEqual((body["temperature"], body["max_tokens"], body["seed"], body["n"], body["logprobs"]),
                         (0.9, 3, 42, 1, True))

    def test_d1_rate(self):
        # Ruling b: --rate alone is an open loop without a cap; the original capped it at --parallel, 1 by default.
        root = self.openai()
        self.check(root, "perf", "--url", root + "/v1/chat/completions", "--model", "m", "--dataset", "openqa",
                   "--dataset-path", "open_qa.jsonl", "--rate", 50, "-n", 30, "--stream", ok=[30])

    def test_d0_dashscope(self):
        # Ruling m: --parser names a Lua file or script; ruling i: the header value enable=True is normalised to enable.
        root = self.mock("--dialect", "dashscope", "--ttft", "2ms", "--itl", "1ms", "--tokens", 4)
        self.check(root, "--model", "qwen-turbo", "--url",
                   root + "/api/v1/services/aigc/text-generation/generation", "--headers", f"Authorization={KEY}",
                   "X-DashScope-SSE=enable=True", "--parameters", "top_p=0.8", "temperature=0.8", "max_tokens=256",
                   "--dataset", "./prompts.txt", "--parallel", 2, "--log-every-n-query", 10, "--api", "dashscope", ok=[20])

    def test_d2(self):
        root = self.openai()
        self.write("query.lua", """
            local openai = require "apis.openai"
            return openai""")
        self.check(root, "--url", root + "/v1/chat/completions", "--model", "m", "-s", "query.lua", "--name", "test one",
                   "--desc", "a description", "--test-set", "testset.txt", "-n", 6, "--test-runs", 1, 2,
                   "--sleep-interval", "0s", "--work-dir", "work", "--report", "zh", ok=[6, 6])
        folders = os.listdir(self.path("work/output"))
        self.assertEqual(len(folders), 1)
        self.assertRegex(folders[0], r"^test_one-\d{14}$")

    def test_d3_custom(self):
        root = self.mock("--dialect", "custom", "--ttft", "2ms", "--itl", "1ms", "--tokens", 4)
        self.check(root, "perf", "--url", root, "--api", "custom", "--model", "m", "--dataset", "line_by_line",
                   "--dataset-path", "prompts.txt", "--parallel", 2, "-n", 8, "--stream", "--max-tokens", 4, "--top-k", 5,
                   "--extra-args", '{"ignore_eos": true}', ok=[8])
        body = self.bodies()[0]
        self.assertEqual((body["ignore_eos"], body["top_k"], body["max_tokens"]), (True, 5, 4))

    def test_d4(self):
        root = self.mock("--dialect", "qianfan", "--ttft", "2ms", "--itl", "1ms", "--tokens", 4)
        self.write("chat.jsonl", '[{"prompt": "你好", "response": "您好"}, {"prompt": "再见"}]\n[{"prompt": "一"}]\n')
        report, result = self.check(
            root, "--url", root, "--api", "qianfan", "--endpoint", "ernie-bot", "--model-type", "ChatCompletion",
            "--dataset", "qianfan", "--dataset-path", "chat.jsonl", "--users", 2, "--workers", 1, "--spawn-rate", 100,
            "--runtime", "1h30m", "--hyperparameters", '{"temperature": 0.5}', "--report", "qianfan", "--stream", ok=[2],
            besides=1,  # the access token
            env={"QIANFAN_ACCESS_KEY": "access-key-0123", "QIANFAN_SECRET_KEY": "secret-key-0123"})
        for label in ("QPS", "RPM", "Latency Avg", "FirstTokenLatency 80%", "TotalQuery", "SuccessRate", ".log"):
            self.assertIn(label, result.out)
        self.assertEqual(report["end"]["reason"], "data")
        turns = self.bodies()[0]["messages"]
        self.assertEqual([turn["role"] for turn in turns], ["user", "assistant", "user"])


if __name__ == "__main__":
    unittest.main()
