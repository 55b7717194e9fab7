"""Each script of examples/ is run by the command that stands at its top, and judged by what the server saw."""
import csv
import glob
import hashlib
import hmac
import json
import os
import re
import shlex
import struct
import time
import unittest

from harness import SOURCE, Case, GOOD, ScriptedServer, get_json, judged_by_the_clock, plain, read_request, stats

FOLDER = os.path.join(SOURCE, "examples")
SCRIPTS = sorted(os.path.basename(path) for path in glob.glob(os.path.join(FOLDER, "*.lua")))


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as text:
        return text.read()


def command(name):
    """The words of the command in the comment at the script's top."""
    found = re.search(r"^-- (llmbench .*(?:\n--     .*)*)", read(name), re.M)
    return shlex.split(found.group(1).replace("\n--    ", ""))


class Example(Case):
    def setUp(self):
        super().setUp()
        os.symlink(FOLDER, self.path("examples"))
        self.seen = []

    def run_example(self, name, url, *more, expect=0, changed=None):
        """Runs the command against another host, with options changed or added; gives the result."""
        words = [changed.get(word, word) if changed else word for word in command(name)[1:]]
        words = [re.sub(r"^http://[^/]+", url, word) for word in words]
        return self.llmbench(*words, "--name", "run", *more, expect=expect)

    def serve(self, reply):
        """A server that notes each request and answers what reply(line, headers, body) returns."""
        def one(connection, _):
            while request := read_request(connection):
                self.seen.append((time.monotonic(), *request))
                connection.sendall(reply(*request))
        server = ScriptedServer(one)
        self.addCleanup(server.close)
        return server.url

    def bodies(self):
        return [json.loads(body) for *_, body in self.seen]

    def rows(self, columns):
        return [tuple(row) for row in self.database().execute(f"SELECT {columns} FROM result ORDER BY arrival")]


class Examples(Example):
    def test_every_script_is_short_and_has_its_command_and_its_test(self):
        tests = " ".join(unittest.TestLoader().getTestCaseNames(Examples))
        for name in SCRIPTS:
            self.assertLess(read(name).count("\n"), 30, name)
            self.assertIn(f"examples/{name}", command(name), name)
            self.assertIn("test_" + name[:2], tests, name)

    def test_01_custom_protocol(self):
        url = self.serve(lambda *_: plain({"a": "you too"}))
        self.run_example("01-custom-protocol.lua", url)
        self.assertEqual({(line, json.dumps(json.loads(body))) for _, line, _, body in self.seen},
                         {("POST /ask HTTP/1.1", '{"q": "hello"}')})
        self.assertEqual(self.rows("text, completion_tokens"), [("you too", None)] * 100)

    def test_02_ndjson_ollama(self):
        root = self.mock("--dialect", "ollama", "--tokens", 200, "--ttft", "1ms", "--itl", "0")
        self.run_example("02-ndjson-ollama.lua", root)
        saw = stats(root)
        self.assertEqual((saw["requests"]["chat"], saw["streams"], saw["completed"]), (20, 20, 20))
        self.assertEqual(saw["completion_tokens"], 20 * 100)  # --max-tokens arrived as options.num_predict
        self.assertEqual(set(self.rows("outcome, prompt_tokens, completion_tokens, completion_source, finish_reason")),
                         {("ok", 5, 100, "usage", "length")})

    def test_02_reports_what_ollama_refuses(self):
        root = self.mock("--dialect", "ollama", "--model", "another")
        self.run_example("02-ndjson-ollama.lua", root, expect=1)
        outcomes = set(self.rows("outcome, status"))
        self.assertEqual(outcomes, {("http_4xx", 404)})

    def test_03_anthropic_messages(self):
        root = self.mock("--dialect", "anthropic", "--api-key", "YOUR_KEY", "--tokens", 300, "--ttft", "1ms", "--itl", "0")
        self.run_example("03-anthropic-messages.lua", root)
        saw = stats(root)
        self.assertEqual((saw["streams"], saw["completed"], saw["completion_tokens"]), (20, 20, 20 * 200))
        self.assertEqual(set(self.rows("outcome, prompt_tokens, completion_tokens, completion_source, finish_reason")),
                         {("ok", 2, 200, "usage", "max_tokens")})

    def test_03_system_goes_where_it_belongs_and_errors_are_told(self):
        chat = self.write("chat.jsonl", json.dumps({"messages": [{"role": "system", "content": "be brief"},
                                                    {"role": "user", "content": "hi"}]}) + "\n")
        root = self.mock("--dialect", "anthropic", "--api-key", "YOUR_KEY", "--tokens", 3, "--ttft", "1ms", "--itl", "0")
        words = ["-s", "examples/03-anthropic-messages.lua", "--model", "c", "--api-key", "YOUR_KEY", "--dataset",
                 "chat_jsonl", "--dataset-path", chat]
        self.llmbench(*words, "--url", root, "--name", "run", expect=0)
        self.assertEqual(self.rows("outcome, prompt_tokens"), [("ok", 3)])
        self.llmbench(*words, "--url", root + "/v1/messages?error=1", "--name", "cut", expect=1)
        row = self.database("cut").execute("SELECT outcome, error FROM result").fetchone()
        self.assertEqual(tuple(row), ("stream_error", "The mock server was asked to fail here."))

    def test_04_signed_requests(self):
        def check(_, headers, body):
            now = headers.get("x-timestamp", "")
            wanted = hmac.new(b"YOUR_SECRET", now.encode() + b"\n" + body, hashlib.sha256).hexdigest()
            good = headers.get("x-signature") == wanted and re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", now)
            return plain({"choices": [{"message": {"content": "hi"}}]}) if good else plain({}, "403 Forbidden")
        self.run_example("04-signed-requests.lua", self.serve(check))
        self.assertEqual(set(self.rows("outcome")), {("ok",)})
        self.assertEqual(len(self.seen), 20)
        for _, line, headers, body in self.seen:
            self.assertNotIn("YOUR_SECRET", line + json.dumps(headers) + body.decode())
        self.run_example("04-signed-requests.lua", self.serve(check), "--name", "wrong", expect=1,
                         changed={"YOUR_SECRET": "ANOTHER_ONE"})

    def test_05_csv_data(self):
        self.write("questions.csv", 'question,language\r\n"one, two",French\r\n"""three""\nfour",German\r\n,Dutch\r\n'
                   + "".join(f"q{i},Greek\r\n" for i in range(30)))
        self.run_example("05-csv-data.lua", self.serve(lambda *_: GOOD))
        said = [tuple(message["content"] for message in body["messages"]) for body in self.bodies()]
        wanted = [("Answer in French.", "one, two"), ("Answer in German.", '"three"\nfour')]
        wanted += [("Answer in Greek.", f"q{i}") for i in range(30)]
        self.assertEqual(sorted(said), sorted(wanted))
        self.assertNotEqual(said, wanted)

    def test_06_model_mix(self):
        self.write("questions.jsonl", "".join(f'{{"question":"q{i}"}}\n' for i in range(400)))
        self.run_example("06-model-mix.lua", self.serve(lambda *_: GOOD), "--parallel", 8)
        models = [body["model"] for body in self.bodies()]
        self.assertEqual(len(models), 400)
        counts = {name: models.count(name) for name in set(models)}
        self.assertEqual(set(counts), {"small", "medium", "large"})
        for name, share in (("small", 280), ("medium", 100), ("large", 20)):  # within four deviations
            self.assertLess(abs(counts[name] - share), 4 * (share * (1 - share / 400)) ** 0.5, counts)

    def test_07_think_time(self):
        url = self.serve(lambda *_: GOOD)
        self.run_example("07-think-time.lua", url, "--plan-seed", 7, changed={"2s": "100ms", "10": "1", "100": "30"})
        times = [at for at, *_ in self.seen]
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertEqual(len(gaps), 29)
        self.assertGreater(sum(gaps) / 29, 0.05)  # 0.1 s on average; 29 draws of it stray by a fifth
        self.assertGreater(max(gaps), 2 * sum(gaps) / 29)  # exponential, not constant
        self.assertIn("--think", self.llmbench("run", "--help", "--dataset", "examples/07-think-time.lua", expect=0).out)

    def test_08_custom_metric(self):
        root = self.mock("--tokens", 4, "--ttft", "1ms", "--itl", "30ms", "--jitter", 0)
        result = self.run_example("08-custom-metric.lua", root, "--json", "report.json", "--parallel", 25)
        self.assertIn("Longest pause", result.out)
        values = [json.loads(row[0])["longest_pause"] for row in self.rows("metrics")]
        self.assertEqual(len(values), 50)
        for value in values:  # the schedule is the server's; the machine may add to it
            self.assertGreater(value, 0.028)
            self.assertLess(value, 1)
        with open(self.path("report.json"), encoding="utf-8") as text:
            self.assertIn("longest_pause", text.read())

    @judged_by_the_clock
    def test_09_trace_replay(self):
        self.write("trace.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n"
                   "2023-11-16 23:59:59.9000000,3,2\n2023-11-17 00:00:00.0000000,4,3\n2023-11-17 00:00:00.6000000,5,4\n")
        self.run_example("09-trace-replay.lua", self.serve(lambda *_: GOOD))
        self.assertEqual([body["max_tokens"] for body in self.bodies()], [2, 3, 4])
        self.assertEqual([len(body["messages"][0]["content"].split()) for body in self.bodies()], [3, 4, 5])
        start = self.seen[0][0]
        for (at, *_), planned in zip(self.seen, (0, 0.1, 0.7)):
            self.assertGreater(at - start, planned - 0.3)
            self.assertLess(at - start, planned + 3)

    def test_10_own_framing(self):
        def framed(*objects):
            texts = [json.dumps(item).encode() for item in objects]
            body = b"".join(struct.pack(">I", len(text)) + text for text in texts)
            return plain(body, content_type="application/octet-stream")
        long = "x" * 70000  # a length of three bytes
        url = self.serve(lambda *_: framed({"piece": "a\n\n"}, {"piece": long}, {"last": True}))
        self.run_example("10-own-framing.lua", url)
        self.assertEqual({(line, body) for _, line, _, body in self.seen}, {("POST /generate HTTP/1.1", b'{"text":"hello"}')})
        self.assertEqual(set(self.rows("outcome, text, completion_tokens")), {("ok", "a\n\n" + long, 2)})

    @judged_by_the_clock
    def test_11_experiment(self):
        # four at a time: what goes beyond waits in line
        root = self.mock("--tokens", 10, "--ttft", "5ms", "--itl", "5ms", "--jitter", 0, "--slots", 4)
        result = self.run_example("11-experiment.lua", root, "--prompt", "hello")
        saw = stats(root)
        with open(self.path("levels.csv"), encoding="utf-8", newline="") as text:
            rows = list(csv.DictReader(text))
        levels = [int(row["parallel"]) for row in rows]
        self.assertEqual(levels, [2 ** i for i in range(len(levels))])
        self.assertIn(8, levels)  # twice the slots brings nothing: it ends there, or soon after on a busy machine
        self.assertLess(len(levels), 9)
        self.assertEqual(saw["completed"], sum(40 + 4 * level for level in levels))
        tokens = [float(row["tokens"]) for row in rows]
        self.assertLess(tokens[-1], 1.1 * max(tokens[:-1]))
        self.assertGreater(tokens[2], 2 * tokens[0])
        for row in rows:
            self.assertIn("%.1f" % float(row["tokens"]), result.out)


if __name__ == "__main__":
    unittest.main()
