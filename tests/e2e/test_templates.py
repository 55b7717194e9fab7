"""What reaches the server when templates and other options for the body are given, judged by the bodies it got."""
import json
import threading
import unittest

from harness import Case, GOOD, ScriptedServer, plain, read_request

CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}


class Bodies(Case):
    """A server that keeps the bodies as they came, and answers as they ask."""

    def setUp(self):
        super().setUp()
        self.bodies, self.lock = [], threading.Lock()

    def serve(self, connection, _):
        while request := read_request(connection):
            with self.lock:
                self.bodies.append(request[2].decode())
            streams = request[2].find(b'"stream":true') >= 0
            connection.sendall(GOOD if streams else plain(CHAT))

    def run_bodies(self, *words, expect=0, dataset=None, model=("--model", "m")):
        """One run; returns the bodies in the order in which they came."""
        self.bodies.clear()
        self.runs = getattr(self, "runs", 0) + 1
        with ScriptedServer(self.serve) as server:
            data = ["--dataset", dataset] if dataset else []
            self.result = self.llmbench("--url", server.url + "/v1/chat/completions", *model, *data, *words, "--offline",
                                        "--name", f"run{self.runs}", expect=expect)
        return list(self.bodies)

    def one(self, *words, **more):
        bodies = self.run_bodies("--prompt", "say \"%m\" \\ 你好", *words, **more)
        self.assertEqual(len(bodies), 1, self.result.err)
        return json.loads(bodies[0])


SAID = "say \"%m\" \\ 你好"
ASKED = [{"role": "user", "content": SAID}]


class Templates(Bodies):
    def test_the_documents_example(self):
        template = ('{"model":"%m","messages":[{"role":"user","content":"%p"}],"stream":true,"skip_special_tokens":false,'
                    '"stop":["<|im_end|>"]}')
        want = {"model": "m", "messages": ASKED, "stream": True, "stream_options": {"include_usage": True},
                "skip_special_tokens": False, "stop": ["<|im_end|>"]}
        path = self.write("template.json", template)
        for words in (template, "@" + path, path):
            self.assertEqual(self.one("--query-template", words), want)

    def test_digits_stay_as_they_are(self):
        body = self.run_bodies("--prompt", "p", "--query-template", '{"seed":18446744073709551615,"a":1.10,"b":1e2}',
                               "--parameters", "c=9007199254740993", "d=0.80")[0]
        for part in ('"seed":18446744073709551615', '"a":1.10', '"b":1e2', '"c":9007199254740993', '"d":0.80'):
            self.assertIn(part, body)

    def test_digits_of_options_stay_too(self):
        given = {"seed": "18446744073709551615", "temperature": "0.70", "top_p": "1.0", "presence_penalty": "-0.10"}
        config = self.write("config.json", "{%s}" % ",".join(f'"{name}":{digits}' for name, digits in given.items()))
        words = [word for name, digits in given.items() for word in ("--" + name.replace("_", "-"), digits)]
        dumped = self.write("dumped.json", self.llmbench("--url", "http://h/v1", "--model", "m", *words, "--dump-config", expect=0).out)
        for source in (words, ["--config", config], ["--config", dumped]):
            body = self.run_bodies("--prompt", "p", *source, "--json", self.path("report.json"))[0]
            with open(self.path("report.json"), encoding="utf-8") as file:
                report = file.read().replace(": ", ":").replace("\t", "")
            for name, digits in given.items():
                self.assertIn(f'"{name}":{digits}', body)
                self.assertIn(f'"{name}":{digits}', report)

    def test_each_beats_the_one_before(self):
        ladder = [("--query-template", '{"seed":1,"temperature":0.1,"top_p":0.1,"top_k":1,"n":1}'),
                  ("--seed", "2", "--temperature", "0.2", "--top-p", "0.2", "--top-k", "2"),
                  ("--hyperparameters", '{"seed":3,"temperature":0.3,"top_p":0.3}'),
                  ("--parameters", "seed=4", "temperature=0.4"),
                  ("--extra-args", '{"seed":5}')]
        for given in range(1, 6):
            body = self.one(*[word for step in ladder[:given] for word in step])
            self.assertEqual(body["n"], 1)
            self.assertEqual(body["top_k"], min(given, 2))
            self.assertEqual(body["top_p"], (0.1, 0.2, 0.3)[min(given, 3) - 1])
            self.assertEqual(body["temperature"], (0.1, 0.2, 0.3, 0.4)[min(given, 4) - 1])
            self.assertEqual(body["seed"], given)

    def test_rows_stand_between_template_and_options(self):
        rows = self.write("set.txt", "7|one\ntwo\n")
        bodies = [json.loads(body) for body in self.run_bodies("--test-set", rows, "--query-template", '{"max_tokens":3}')]
        self.assertEqual([(body["messages"][0]["content"], body["max_tokens"]) for body in bodies], [("one", 7), ("two", 512)])
        bodies = [json.loads(body) for body in self.run_bodies("--test-set", rows, "--max-tokens", "9")]
        self.assertEqual([body["max_tokens"] for body in bodies], [9, 9])

    def test_messages_of_the_data_replace_the_templates(self):
        talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
        rows = self.write("talk.jsonl", json.dumps({"messages": talk}) + "\n")
        for template in ('{"messages":[]}', '{"messages":[{"role":"user","content":"fixed"}]}',
                         '{"messages":[{"role":"user","content":"%p"}]}', '{"n":1}'):
            body = json.loads(self.run_bodies("--query-template", template, dataset=rows)[0])
            self.assertEqual(body["messages"], talk, template)
        body = json.loads(self.run_bodies("--query-template", '{"last":"%p"}', dataset=rows)[0])
        self.assertEqual(body["last"], "c")

    def test_streaming_is_known_to_the_script(self):
        self.assertNotIn("stream", self.one())
        for words in (["--query-template", '{"stream":true}'], ["--stream"], ["--parameters", "stream=bool_true"],
                      ["--extra-args", '{"stream":true}'], ["--hyperparameters", '{"stream":true}'],
                      ["--stream", "--query-template", '{"stream":false}']):
            body = self.one(*words)
            self.assertEqual((body["stream"], body["stream_options"]), (True, {"include_usage": True}), words)
            row = self.database(f"run{self.runs}").execute("SELECT text FROM result").fetchone()
            self.assertEqual(row["text"], "Hello world")
        body = self.one("--stream=false", "--query-template", '{"stream":true}')
        self.assertNotIn("stream", body)

    def test_models(self):
        self.assertEqual(self.one("--query-template", '{"model":"old"}')["model"], "m")
        self.assertEqual(self.one("--query-template", '{"model":"a/%m"}')["model"], "a/m")
        self.assertEqual(self.one("--query-template", '{"model":"own"}', model=())["model"], "own")

    def test_plain_text_for_the_protocol(self):
        script = self.write("text.lua", """
            return {
                build_request = function(prompt, opts) return { input_text = prompt, kind = type(prompt) } end,
                parse_responses = function() end,
            }""")
        body = self.one("--script", script, "--no-apply-chat-template")
        self.assertEqual(body, {"input_text": SAID, "kind": "string"})
        for words in ([], ["--apply-chat-template"]):
            self.assertEqual(self.one("--script", script, *words), {"input_text": ASKED, "kind": "table"})

    def test_what_is_refused(self):
        for words, part in (
                (["--query-template", '{"a":'], "--query-template: {\"a\":: not JSON: line 1"),
                (["--query-template", "[1]"], "--query-template: [1]: a JSON object ({…}) is wanted"),
                (["--extra-args", "nowhere.json"], "--extra-args: nowhere.json: not JSON"),
                (["--hyperparameters", "@nowhere.json"], "--hyperparameters: cannot read nowhere.json"),
                (["--parameters", "temperature"], '--parameters "temperature": a parameter is NAME=VALUE'),
                (["--apply-chat-template", "--no-apply-chat-template"], "contradict")):
            self.assertEqual(self.run_bodies("--prompt", "p", *words, expect=2), [])
            self.assertIn(part, self.result.err)
        self.assertEqual(self.run_bodies("--prompt", "p", "--query-template", '{"model":"%m"}', model=(), expect=3), [])
        self.assertIn("there is no --model", self.result.err)


if __name__ == "__main__":
    unittest.main()
