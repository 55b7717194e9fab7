"""`llmbench try`: what it shows is what a run sends and reads; nothing leaves, nothing is written."""
import json
import os
import re
import socket
import unittest

from harness import DONE, SOURCE, Case, ScriptedServer, answer, event, judged_by_the_clock, plain, read_request, stats
from reader import Message, Said, outcomes
from test_transcripts import BY_HAND, FOLDER, NAMES, raw

SCRIPT = """
local json, http = require "json", require "http"
local api = { framing = "ndjson", auth = "X-Key" }
function api.setup(opts) return { token = secret("hush" .. "hush"), tags = json.array { 1 } } end
function api.build_messages()
    local i = 0
    return function()
        i = i + 1
        if i <= 4 then return { prompt = "p" .. i, delay = i == 2 and 0.25 or nil } end
    end
end
function api.build_request(messages, opts, ctx)
    if ctx.index == 2 then error("not the third") end
    if ctx.index == 3 then return "raw \\0\\255\\27[2J" .. messages[1].content, { url = "http://u:pass-word@h/x", method = "PUT" } end
    return { n = 12345678901234567890ULL, text = messages[1].content }, { headers = { Authorization = "Bearer abc" , ["X-N"] = ctx.setup.token } }
end
function api.read_event(data, name, ctx)
    ctx.seen = (ctx.seen or 0) + 1
    if data == "two" then return { { content = "a" }, { reasoning = "b", index = 1, tokens = 4 } } end
    if data == "what" then return nil end
    if data == "boom" then error("here") end
    if data == "end" then return { done = true, usage = { completion = 7, cached = 1 } } end
    return { content = data .. ctx.status, finish = ctx.seen == 3 and "three" or nil }
end
function api.parse_responses(responses, request)
    if request.text == "p1" and responses[1] == "fail" then error("uncounted") end
    return #responses, nil
end
return api
"""


class Requests(Case):
    def setUp(self):
        super().setUp()
        self.write("s.lua", SCRIPT)

    def test_they_are_those_of_a_run(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        run = ["--dataset", "openqa", "--offline", "--model", "m", "--url", root, "--stream", "--temperature", 0.25, "--max-tokens", 9,
               "--header", "X-Mine: yes"]
        shown = self.llmbench("try", *run, "--requests", 4, expect=0).out
        self.assertEqual(stats(root)["requests"]["total"], 0)
        self.assertEqual(os.listdir(self.work), ["s.lua"])
        bodies = [json.loads(text) for text in re.findall(r"^  \d+ bytes:\n(.*?)\n\n", shown, re.S | re.M)]
        self.llmbench(*run, "-n", 4, "--name", "run", expect=0)
        rows = self.database().execute("SELECT request FROM result ORDER BY arrival").fetchall()
        self.assertEqual(bodies, [json.loads(row[0]) for row in rows])
        self.assertEqual(len(bodies), 4)
        self.assertEqual(shown.count("X-Mine: yes"), 4)
        self.assertEqual(shown.count(f"POST {root}/v1/chat/completions\n"), 4)

    def test_three_by_default_and_how_they_look(self):
        result = self.llmbench("try", "-s", "s.lua", "--api-key", "sk-longenough", "--url", "http://h.invalid/p", "--requests", 9, expect=1)
        out = result.out
        self.assertIn("nothing is sent, but what setup itself did", out)
        self.assertNotIn("stands in", out)
        self.assertIn('setup returned\n  {\n    "tags": [\n      1\n    ],\n    "token": "[redacted]"\n  }\n', out)
        self.assertIn("request 0: POST http://h.invalid/p\n", out)
        self.assertIn('{\n    "n": 12345678901234567890,\n    "text": "p1"\n  }', out)
        self.assertIn("request 1: POST http://h.invalid/p, after 0.25 s of think time\n", out)
        self.assertRegex(out, r"request 2: .*\n(  .*\n)*  cannot be sent: build_request: s\.lua:13: not the third\n")
        self.assertIn("request 3: PUT http://u:[redacted]@h/x\n", out)
        self.assertIn("raw \\x00\ufffd\\x1b[2Jp4", out)
        self.assertIn("the data ends after 4 prompts", out)
        self.assertIn("X-Key: [redacted]", out)
        for secret in ("hushhush", "sk-longenough", "Bearer abc", "pass-word", "\x1b", "\0"):
            self.assertNotIn(secret, out + result.err)
        self.assertEqual(out.count("\nrequest "), 4)
        out = self.llmbench("try", "-s", "s.lua", expect=1).out
        self.assertEqual(out.count("\nrequest "), 3)
        self.assertIn("no --url is given: http://127.0.0.1:8000 stands in", out)
        self.assertEqual(os.listdir(self.work), ["s.lua"])

    def test_when_they_are_due(self):
        out = self.llmbench("try", "--prompt", "x", "--number", 3, "--rate", 10, "--arrival", "constant", "--url", "http://h.invalid",
                            "--dataset", "openqa", expect=0).out
        self.assertIn(", due 0 s after the start", out)
        self.write("lines", "a\nb\nc\n")
        out = self.llmbench("try", "--dataset", "lines", "--rate", 10, "--arrival", "constant", expect=0).out
        self.assertEqual(re.findall(r"due (\S+) s after", out), ["0", "0.1", "0.2"])

        self.write("trace.lua", """return { build_messages = function() local i = 0 return function()
            i = i + 1 if i < 4 then return { prompt = "x", at = i * 0.5 } end end end }""")
        out = self.llmbench("try", "--dataset", "trace.lua", "--arrival", "trace", "--trace-speed", 2, expect=0).out
        self.assertEqual(re.findall(r"due (\S+) s after", out), ["0.25", "0.5", "0.75"])

    def test_options_of_the_script(self):
        self.write("o.lua", """local api = require "apis.openai"
            api.options = { { name = "flavour", type = "text", default = "plain", help = "of the answer" } }
            api.setup = function(opts) return opts.flavour end
            return api""")
        out = self.llmbench("try", "-s", "o.lua", "--prompt", "x", "--flavour", "sweet", expect=0).out
        self.assertIn('setup returned\n  "sweet"\n', out)
        self.assertIn("--flavour", self.llmbench("try", "-s", "o.lua", "--prompt", "x", "--flavor", "sweet", expect=2).err)

    def test_what_setup_returned(self):
        for returned, shown in (("", "setup returned nothing"), ("return nil", "setup returned nothing"),
                                ("return require('json').null", "setup returned\n  null"), ("return {}", "setup returned\n  {}"),
                                ("return false", "setup returned\n  false"),
                                ("return { 1, a = 2 }", "setup returned what JSON cannot show: setup: ")):
            self.write("r.lua", f"local api = require 'apis.openai' function api.setup() {returned} end return api")
            out = self.llmbench("try", "-s", "r.lua", "--prompt", "x", expect=0).out
            self.assertIn("\n" + shown, out)

    def test_setup_runs_unless_it_is_not_to(self):
        self.write("t.lua", """
            local http = require "http"
            local api = require "apis.openai"
            function api.setup(opts) local a, why = http.get(opts.url) if not a then error(why) end return a.body end
            return api""")
        with ScriptedServer(lambda connection, _: read_request(connection) and connection.sendall(plain(b"said"))) as server:
            run = ["try", "-s", "t.lua", "--prompt", "x", "--url", server.url + "/v1/chat/completions"]
            self.assertIn('setup returned\n  "said"\n', self.llmbench(*run, expect=0).out)
            self.assertEqual(server.connections, 1)
            self.assertIn("setup was not called: --no-setup", self.llmbench(*run, "--no-setup", expect=0).out)
            self.assertEqual(server.connections, 1)
        self.assertIn("t.lua:4", self.llmbench(*run, expect=3).err)

    def test_errors_as_in_a_run(self):
        for text, code, said in [("local api = {", 3, "b.lua:1"), ("return { pth = '/x' }", 3, "path"),
                                 ("error('loaded')", 3, "b.lua:1: loaded")]:
            self.write("b.lua", text)
            tried = self.llmbench("try", "-s", "b.lua", "--prompt", "x", expect=code)
            ran = self.llmbench("-s", "b.lua", "--prompt", "x", "--url", "http://127.0.0.1:9", expect=code)
            self.assertIn(said, tried.err)
            self.assertEqual(tried.err, ran.err)
        self.write("d.lua", """return { build_messages = function() local i = 0 return function() i = i + 1
            if i == 2 then error("second") end return "x" end end }""")
        result = self.llmbench("try", "--dataset", "d.lua", expect=1)
        self.assertEqual(result.out.count("\nrequest "), 1)
        self.assertIn("d.lua:2: second", result.err)

    @judged_by_the_clock
    def test_a_hook_that_does_not_return(self):
        self.write("l.lua", """local api = require "apis.openai"
            local build = api.build_request
            function api.build_request(messages, opts, ctx)
                while ctx.index == 1 do end
                return build(messages, opts, ctx)
            end
            return api""")
        self.write("lines", "a\nb\nc\n")
        result = self.llmbench("try", "-s", "l.lua", "--dataset", "lines", "--hook-timeout", 0.3)
        self.assertIn(result.code, (1, 3))
        self.assertIn("request 0: ", result.out)
        self.assertRegex(result.out + result.err, r"build_request.*l\.lua:\d.*did not return within 0\.3 s")

    def test_what_is_refused(self):
        self.write("a", "x")
        for words, code, said in [
                (["--requests", "-1"], 2, "--requests"), (["--requests", "x"], 2, "--requests"), (["--status", "99"], 2, "--status"),
                (["--status", "500"], 2, "--replay"), (["--content-type=text/plain"], 2, "--replay"), (["--replay"], 2, "--replay"),
                (["--replay", "nope"], 3, "nope"), (["--replay", "."], 3, "--replay"), (["--nonsense"], 2, "--nonsense"),
                (["--parallel", "x"], 2, "--parallel"), (["--parallel", "1", "2", "--rate", "1", "2", "3"], 2, "--rate"),
                (["-s", "nope.lua"], 3, "nope.lua")]:
            result = self.llmbench("try", "--prompt", "x", *words, expect=code)
            self.assertIn(said, result.err, words)
            self.assertEqual(result.out, "", words)
        # What looks like an option of its own behind -- is none.
        self.assertIn("belongs to no option", self.llmbench("try", "--prompt", "x", "--", "--replay", expect=2).err)


class Replay(Case):
    def replay(self, data, *args, script="s.lua", expect=0):
        if script == "s.lua":
            self.write("s.lua", SCRIPT)
        script = ["-s", script] if script else ["--prompt", "x"]
        name = self.write("answer", data)
        return self.llmbench("try", *script, "--replay", name, "--requests", 0, *args, expect=expect).out.partition("answer from ")[2]

    def test_every_event(self):
        out = self.replay("one\ntwo\nwhat\nfour\nend\n")
        self.assertEqual(out.splitlines()[1:], [
            "read as lines",
            '  event   0: c content   content="one200"',
            '  event   1: c content   content="a", reasoning="b" index=1 tokens=4',
            '  event   2: x unknown   not understood: "what"',
            '  event   3: c content   content="four200"',
            "  event   4: u usage     done usage={completion=7 cached=1}",
            "parse_responses returned 4, nil",
            "outcome: ok",
            'text: "one200afour200\\n", in 3 events',
            "prompt tokens: 4 (from script)",
            "completion tokens: 7 (from usage)"])

    def test_a_hook_that_fails(self):
        out = self.replay("one\nboom\nlast\n", expect=1)
        self.assertIn('event   1: x unknown   not read: "boom"', out)
        self.assertIn('event   2: x unknown   not read: "last"', out)
        self.assertIn("outcome: script_error: read_event: s.lua:21: here\nstack traceback:", out)
        self.assertIn("parse_responses was not called", out)
        out = self.replay("boom", "--status", 503, expect=1)
        self.assertIn("the script failed: read_event: s.lua:21: here", out)
        self.assertIn("outcome: http_5xx: HTTP 503: boom", out)
        out = self.replay("fail\n", expect=1)
        self.assertIn("parse_responses failed: parse_responses: s.lua:26: uncounted", out)
        self.assertIn("outcome: ok\n", out)
        self.assertIn("prompt tokens: not known", out)

    def test_own_metrics(self):
        self.write("m.lua", """local api = require "apis.openai"
            api.metrics = {
                { name = "letters", unit = "count", of = function(sample) return #sample.text end },
                { name = "nothing", unit = "count", of = function(sample) return nil end },
                { name = "broken", unit = "count", of = function(sample) error("no number") end },
            }
            return api""")
        out = self.replay(answer(event("Hello"), event(finish="stop"), DONE), "--model", "m", script="m.lua", expect=1)
        self.assertIn("outcome: ok\n", out)
        self.assertIn("metric letters: 5\nmetric nothing: no value\nmetric broken: failed\n", out)
        self.assertIn("m.lua:5: no number", out)

    def test_status_and_type(self):
        self.assertIn("read as one body", self.replay("a\nb\n", "--content-type", "application/json; charset=x"))
        self.assertIn("read as server-sent events", self.replay("data: a\n\n", "--content-type=text/event-stream"))
        self.assertIn('"body" content="x404"', self.replay("x", "--status", 404))
        whole = plain(b"x", status="404 No")
        self.assertIn('content="x404"', self.replay(whole))
        self.assertIn('content="x200"', self.replay(whole, "--status", 200))

    def test_shapes_of_a_recording(self):
        body = event("Hello") + event(finish="stop") + DONE
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        for name, data in {
                "chunked": answer(event("Hello"), event(finish="stop"), DONE),
                "as curl -i writes it": head + b"Transfer-Encoding: chunked\r\n\r\n" + body,
                "HTTP/2": b"HTTP/2 200 \r\ncontent-type: text/event-stream\r\n\r\n" + body,
                "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"\r\n" + body,
                "bare line ends": head.replace(b"\r", b"") + b"\n" + body,
                "bytes alone": body,
                "chunk extensions": head + b"Transfer-Encoding: chunked\r\n\r\n%X;a=b\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(body), body),
                "more than the length": head + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"HTTP/1.1 200 OK"}.items():
            out = self.replay(data, script=None)
            self.assertIn("outcome: ok\n", out, name)
            self.assertIn('text: "Hello", in 1 events', out, name)
            self.assertEqual("left out" in out, name == "more than the length", name)

    def test_recordings_that_are_cut(self):
        whole = answer(event("Hello"), event(finish="stop"), DONE)
        for end in (len(whole) - 1, len(whole) - 5, len(whole) - 8, len(whole) - 30):
            out = self.replay(whole[:end], script=None)
            if end < len(whole) - 5:
                self.assertIn("outcome: reset: the recording ends before the last chunk", out, end)
        self.assertIn("outcome: reset: the recording is shorter", self.replay(plain(b"{}")[:-1], script=None))
        for head in (b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\nA: b\r\n", b"HTTP/1.1 2x0\r\n\r\n", b"HTTP/\n\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"):
            self.replay(head, script=None, expect=3)

    def test_hostile_bytes(self):
        for data in (b"", b"\0", b"\xff" * 1000, b"data: \x1b[2J\n\n", os.urandom(4096).replace(b"\n", b" ")):
            out = self.replay(data)
            self.assertNotIn("\x1b", out)
            self.assertIn("outcome: ", out)
        self.assertIn("no events", self.replay(b""))

    def test_the_recordings_of_real_servers(self):
        for name in NAMES:
            out = self.replay(raw(name), script=None)
            message = Message(raw(name))
            said = Said(message)
            outcome = re.search(r"^outcome: (\w+)", out, re.M).group(1)
            self.assertIn(outcome, outcomes(message, said), name)
            self.assertEqual(len(re.findall(r"^  event +\d+: [^p]", out, re.M)), len(said.payloads), name)
            if name in BY_HAND and BY_HAND[name][0] == "ok":
                _, prompt, completion, events, finish, fragment = BY_HAND[name]
                self.assertIn(f", in {events} events" if events else "", out, name)
                self.assertIn(f'finish: "{finish}"', out, name)
                self.assertIn(fragment, out if len(fragment) else "", name)
                if completion:
                    self.assertIn(f"completion tokens: {completion} (from ", out, name)
                if prompt:
                    self.assertIn(f"prompt tokens: {prompt} (from usage)", out, name)

    def test_it_belongs_to_the_first_request(self):
        out = self.replay("fail\n", expect=1)
        self.assertIn("uncounted", out)
        self.write("e.lua", "return { build_messages = function() return function() end end }")
        self.write("answer", "x")
        self.assertIn("no usable prompt", self.llmbench("try", "--dataset", "e.lua", "--replay", "answer", expect=3).err)

    def test_the_example_of_the_page(self):
        """What docs/scripting.md shows is what comes out, but for words and numbers."""
        with open(os.path.join(SOURCE, "docs/scripting.md"), encoding="utf-8") as text:
            page = text.read()
        said = re.search(r"-d '(.*?)' > answer.txt", page).group(1).encode()
        shown = re.search(r"```text\n(answer from.*?)```", page, re.S).group(1)
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        host, port = root.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(said), said))
            with connection.makefile("rb") as file:
                self.write("answer.txt", file.read())
        self.llmbench("new", "api", "mine", expect=0)
        out = self.llmbench("try", "-s", "mine.lua", "--prompt", "hello", "--replay", "answer.txt", expect=0).out

        def skeleton(text):
            return re.sub(r"\d+", "0", re.sub(r'"[^"]*"', '""', text))
        self.assertEqual(skeleton(out[out.index("answer from"):]), skeleton(shown))
        self.assertIn("request 0: POST http://127.0.0.1:8000/v1/chat/completions", out)

    def test_the_folder_of_transcripts_is_there(self):
        self.assertTrue(FOLDER.startswith(SOURCE))
        self.assertGreater(len(NAMES), 30)


if __name__ == "__main__":
    unittest.main()
