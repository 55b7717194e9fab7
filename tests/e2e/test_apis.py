"""API scripts in the built program: what the service gets, what is made of its answers, and where keys and tokens do not go."""
import json
import os
import re
import threading
import time
import unittest

from harness import Case, ScriptedServer, plain, read_request


class Service:
    """Keeps every request and answers it by `respond(line, headers, body) -> (body, content type)`."""

    def __init__(self, respond):
        self.respond, self.seen, self.lock = respond, [], threading.Lock()

    def __call__(self, connection, _):
        while request := read_request(connection):
            line, headers, body = request
            with self.lock:
                self.seen.append((line, headers, body))
            text, kind = self.respond(line, headers, body)
            connection.sendall(plain(text.encode(), content_type=kind))


def dashscope(_, headers, body):
    used = {"input_tokens": 5, "output_tokens": 2}
    if headers.get("x-dashscope-sse") != "enable":
        return json.dumps({"output": {"text": "plain answer", "finish_reason": "stop"}, "usage": used}), "application/json"
    whole = not json.loads(body)["parameters"].get("incremental_output")
    pieces = ["one", "one two" if whole else " two"]
    frames = [{"output": {"choices": [{"message": {"role": "assistant", "content": piece}, "finish_reason": reason}]},
               "usage": used} for piece, reason in zip(pieces, ("null", "stop"))]
    return "".join(f"id:{i}\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(frame)}\n\n"
                   for i, frame in enumerate(frames)), "text/event-stream;charset=UTF-8"


class Apis(Case):
    def measure(self, service, *args, expect=0, env=None):
        with ScriptedServer(service) as server:
            return self.llmbench("--url", server.url, "--model", "m", "--prompt", "hi", "--name", "run", "--offline",
                                 *args, expect=expect, env=env)

    def rows(self):
        return self.database().execute("SELECT * FROM result ORDER BY arrival").fetchall()

    def everything_written(self, result):
        texts = [result.out, result.err]
        for name in os.listdir(self.path("outputs")):
            with open(self.path("outputs/" + name), "rb") as data:
                texts.append(data.read().decode(errors="replace"))
        return "".join(texts)

    def test_dashscope_in_both_modes_and_plain(self):
        for number, (args, text, streamed) in enumerate([
                (("--stream",), "one two", True),
                (("--stream", "--query-template", '{"parameters":{"incremental_output":false}}'), "one two", True),
                (("--headers", "Authorization=KEYKEY", "X-DashScope-SSE=enable=True"), "one two", True),
                ((), "plain answer", False)]):
            with self.subTest(args=args):
                service = Service(dashscope)
                self.measure(service, "--api", "dashscope", *args, "--name", f"run{number}")
                line, headers, _ = service.seen[-1]
                self.assertIn("/api/v1/services/aigc/text-generation/generation", line)
                self.assertEqual(headers.get("x-dashscope-sse"), "enable" if streamed else None)
                row = self.database(f"run{number}").execute("SELECT * FROM result").fetchone()
                self.assertEqual((row["outcome"], row["text"], row["prompt_tokens"], row["completion_tokens"]),
                                 ("ok", text, 5, 2))

    def test_qianfan_token_is_fetched_used_renewed_and_never_written(self):
        issued = []

        def respond(line, _, __):
            if "/oauth/" in line:
                issued.append(f"24.secrettoken{len(issued)}")
                return json.dumps({"access_token": issued[-1], "expires_in": 2}), "application/json"
            time.sleep(0.3)
            return ('data: {"is_end":true,"result":"fine","usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
                    "text/event-stream")
        service = Service(respond)
        result = self.measure(service, "--api", "qianfan", "--stream", "-n", 8, "-c", 1,
                              env={"QIANFAN_ACCESS_KEY": "accesskey", "QIANFAN_SECRET_KEY": "secretkey"})
        lines = [line for line, _, _ in service.seen]
        self.assertIn("client_id=accesskey&client_secret=secretkey", lines[0])
        used = [re.search(r"access_token=([\w.]+)", line).group(1) for line in lines if "access_token" in line]
        self.assertEqual(len(used), 8)
        self.assertGreaterEqual(len(issued), 2, "it was not renewed")
        self.assertEqual(used[0], issued[0])
        self.assertIn(issued[1], used)
        self.assertTrue(all("/wenxinworkshop/chat/m?" in line for line in lines if "access_token" in line))
        self.assertEqual([row["outcome"] for row in self.rows()], ["ok"] * 8)
        written = self.everything_written(result)
        for secret in [*issued, "accesskey", "secretkey"]:
            self.assertNotIn(secret, written)

    def test_qianfan_without_a_token_does_not_start(self):
        service = Service(lambda *_: (json.dumps({"error": "invalid_client", "error_description": "unknown client id"}),
                                      "application/json"))
        result = self.measure(service, "--api", "qianfan", "--api-key", "accesskey:secretkey", expect=3)
        self.assertIn("unknown client id", result.err)
        self.assertNotIn("secretkey", result.err)
        self.assertEqual(len(service.seen), 1)

    def test_zhipu_sends_a_token_and_not_its_key(self):
        service = Service(lambda *_: (json.dumps({"choices": [{"index": 0, "message": {"content": "fine"},
                                                               "finish_reason": "stop"}]}), "application/json"))
        result = self.measure(service, "--api", "zhipu", "--api-key", "myid.mysecret")
        line, headers, _ = service.seen[-1]
        self.assertIn("/api/paas/v4/chat/completions", line)
        token = headers["authorization"].removeprefix("Bearer ")
        self.assertEqual(token.count("."), 2)
        self.assertNotIn("mysecret", token)
        written = self.everything_written(result)
        for secret in (token, "mysecret"):
            self.assertNotIn(secret, written)

    def test_a_script_frames_its_own_answer(self):
        script = self.write("lines.lua", """
            local api = { ends = true }
            function api.build_request() return "go" end
            function api.parse_responses(all) return nil, #all end
            function api.frame(bytes, pos)
                local at = bytes:find("|", pos, true)
                if at then return pos, at - 1, at + 1 end
            end
            function api.read_event(data, name)
                if data == "END" then return { finish = "stop" } end
                return { content = data }
            end
            return api""")
        self.measure(Service(lambda *_: ("a|b|END|", "text/plain")), "-s", script)
        row = self.rows()[0]
        self.assertEqual((row["outcome"], row["text"], row["completion_tokens"]), ("ok", "ab", 3))


if __name__ == "__main__":
    unittest.main()
