"""Whatever a server does wrong has one name: every fault of the mock, on fresh and on kept connections, streamed and not;
scenario files; and what goes wrong before a server says anything. Judged by the rows of the database and the mock's count."""
import glob
import json
import os
import re
import socket
import unittest

from harness import (Case, Certificates, GOOD, SANITIZED, SOURCE, STREAM_HEAD, ScriptedServer, read_request, reset, stats, wait_read,
                     wait_for)

# What each fault is called, and what else its row must say.
FAULTS = {
    "silent": ("timeout_read", lambda row: row["status"] is None and row["first_byte_ns"] is None),
    "close-first": ("reset", lambda row: row["status"] is None),
    "reset-first": ("reset", lambda row: row["status"] is None),
    "close-kept": ("ok", lambda row: row["error"] is None),
    "reset-kept": ("ok", lambda row: row["error"] is None),
    "close-head": ("truncated", lambda row: "headers" in row["error"]),
    "reset-head": ("reset", lambda row: row["text"] is None),
    "reset-event": ("reset", lambda row: row["text"] if row["streamed"] else row["status"] == 200),
    "cut-chunk": ("truncated", lambda row: row["text"] if row["streamed"] else row["status"] == 200),
    "cut-length": ("truncated", lambda row: row["text"] == "Hello"),
    "no-end": ("truncated", lambda row: row["text"] and not row["finish_reason"]),
    "empty": ("empty", lambda row: not row["text"]),
    "empty-body": ("empty", lambda row: row["status"] == 200 and not row["text"]),
    "stall": ("timeout_read", lambda row: row["text"] if row["streamed"] else row["status"] == 200),
    "drip": ("timeout_total", lambda row: row["status"] == 200),
    "http-429": ("http_429", lambda row: (row["status"], "slow down" in row["error"]) == (429, True)),
    "http-404": ("http_4xx", lambda row: (row["status"], "no model" in row["error"]) == (404, True)),
    "http-500": ("http_5xx", lambda row: (row["status"], "out of memory" in row["error"]) == (500, True)),
    "http-302": ("http_other", lambda row: row["status"] == 302),
    "error-first": ("stream_error", lambda row: row["status"] == 200 and not row["text"]),
    "error-late": ("stream_error", lambda row: row["text_events"] == 400 and row["text"]),
    "error-field": ("stream_error", lambda row: (row["text"], row["error"]) == ("Hello", "the engine died")),
    "bad-chunk": ("bad_response", lambda row: row["text"] == "Hello"),
    "bad-http": ("bad_response", lambda row: row["error"]),
    "bad-gzip": ("bad_response", lambda row: row["error"]),
    "html": ("bad_response", lambda row: row["status"] == 200),
    "huge-event": ("too_large", lambda row: "2097152" in row["error"]),
    "header-flood": ("too_large", lambda row: "headers" in row["error"]),
    "huge-body": ("too_large", lambda row: "2097152" in row["error"] and row["text"].startswith("on and on")),
    "bad-text": ("ok", lambda row: re.fullmatch(r"a\ufffd+bc\0de\ufffd+f", text_of(row))),
    "late-events": ("ok", lambda row: row["text"] == "Hello"),
    "usage-twice": ("ok", lambda row: (row["prompt_tokens"], row["completion_tokens"]) == (3, 7)),
    "usage-null": ("ok", lambda row: row["text"] == "Hello"),
    "hold": ("ok", lambda row: row["end_ns"] - row["sent_ns"] < 1.5e9 or SANITIZED),
    "one-segment": ("ok", lambda row: len(json.loads(row["events"])["coalesced"]) >= 2),
    "byte-by-byte": ("ok", lambda row: row["text"] == "Hello you"),
}
STREAMS_ONLY = {"no-end", "error-late", "hold"}
KEPT_ONLY = {"close-kept", "reset-kept"}
BEFORE_ANY_BYTE = {"close-first", "reset-first", "close-kept", "reset-kept"}
ENDLESS = {"drip"}  # a byte a second: takes as long as the total timeout

# The prompt is the name of the fault.
SCRIPT = """
local api = require "apis.openai"
local build = api.build_request
function api.build_request(messages, opts, ctx)
    local name = messages[#messages].content
    return build(messages, opts, ctx), name ~= "good" and { url = opts.url .. "?fault=" .. name } or nil
end
return api
"""
READ_S, TOTAL_S = (8, 20) if SANITIZED else (2, 4)


def text_of(row):
    text = row["text"]
    return text if isinstance(text, str) else text.decode("utf-8", "replace")


class Faults(Case):
    def go(self, name, prompts, *words):
        """One request a prompt, judged against the server's own count; returns the rows."""
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 12)
        script, lines = self.write("faulty.lua", SCRIPT), self.write("prompts.txt", "\n".join(prompts) + "\n")
        self.llmbench("-s", script, "--url", root + "/v1/chat/completions", "--model", "m", "--dataset", "line_by_line",
                      "--dataset-path", lines, "-n", len(prompts), "--max-response-bytes", "2M", "--read-timeout",
                      f"{READ_S}s", "--total-timeout", f"{TOTAL_S}s", "--json", self.path("report.json"), "--name", name,
                      *words, expect=0)
        rows = self.database(name).execute("SELECT * FROM result ORDER BY arrival").fetchall()
        self.assertEqual(len(rows), len(prompts))
        with open(self.path("report.json"), encoding="utf-8") as report:
            counts = json.load(report)["counts"]
        self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        for outcome, count in counts["by_outcome"].items():
            self.assertEqual(count, sum(row["outcome"] == outcome for row in rows), outcome)
        self.seen = wait_for(lambda: (now := stats(root))["in_flight"]["now"] == 0 and now, what="an end of all answers")
        self.assertEqual(self.seen["requests"]["total"], len(rows) + sum(row["resent"] for row in rows))
        self.assertEqual(self.seen["errors"], {})
        return rows

    def check(self, name, row, kept):
        want, also = FAULTS[name]
        self.assertEqual(row["outcome"], want, row["error"])
        self.assertTrue(also(row), dict(row))
        if kept:
            self.assertEqual(row["reused"], int(name not in BEFORE_ANY_BYTE))
        tries = self.seen["by_fault"].get(name, 0)
        if name in BEFORE_ANY_BYTE and kept:
            self.assertEqual((row["resent"], tries), (1, 1 if name in KEPT_ONLY else 2))
        else:
            self.assertEqual((row["resent"], tries), (0, 0 if name in KEPT_ONLY else 1))

    def test_on_fresh_connections(self):
        """Each on a connection of its own."""
        for streamed in (True, False):
            names = [name for name in FAULTS if streamed or name not in STREAMS_ONLY]
            rows = self.go(f"fresh{streamed}", names, "--parallel", len(names), "--header", "Connection: close",
                           *["--stream"] * streamed)
            for name, row in zip(names, rows):
                with self.subTest(name, streamed=streamed):
                    self.check(name, row, kept=False)

    def test_on_kept_connections(self):
        """One after the other, a good one before each."""
        for streamed in (True, False):
            names = [name for name in FAULTS if (streamed or name not in STREAMS_ONLY) and name not in ENDLESS]
            prompts = [word for name in names for word in ("good", name)]
            rows = self.go(f"kept{streamed}", prompts, "--parallel", 1, *["--stream"] * streamed)
            self.assertEqual({row["outcome"] for row in rows[::2]}, {"ok"})
            for name, row in zip(names, rows[1::2]):
                with self.subTest(name, streamed=streamed):
                    self.check(name, row, kept=True)

    def test_the_list_is_this_one(self):
        printed = {}
        for line in self.llmbench("mock", "--fault", "list", expect=0).out.splitlines():
            name, outcome = line.split()[:2]
            printed[name] = (outcome, "streams only" in line)
        self.assertEqual(printed, {name: (outcome, name in STREAMS_ONLY) for name, (outcome, _) in FAULTS.items()})

    def test_shares(self):
        """What the server spoiled is what the client names, request for request."""
        root = self.mock("--ttft", "0", "--itl", "0", "--tokens", 3, "--fault", "http-429:20%", "--fault", "no-end:0.1",
                         "--fault", "close-kept:5%")
        report, _ = self.run_against(root, "--prompt", "x", "--stream", "--parallel", 8, "-n", 400, dataset=None)
        counts, seen = report["counts"]["by_outcome"], stats(root)
        self.assertEqual(counts["http_429"], seen["by_fault"]["http-429"])
        self.assertEqual(counts["truncated"], seen["by_fault"]["no-end"])
        self.assertEqual(seen["requests"]["total"], 400 + seen["by_fault"]["close-kept"])
        self.assertEqual(counts["ok"], 400 - counts["http_429"] - counts["truncated"])
        self.assertTrue(40 < counts["http_429"] < 130 and 10 < counts["truncated"] < 80, counts)

    def test_the_total_timeout_may_come_first(self):
        root = self.mock("--fault", "silent")
        report, _ = self.run_against(root, "--prompt", "x", "-n", 2, "--read-timeout", "60s", "--total-timeout", "500ms",
                                     dataset=None, expect=1)
        self.assertEqual(report["counts"]["by_outcome"]["timeout_total"], 2)

    def test_faults_that_cannot_be(self):
        self.write("bad.scenario", "line 'HTTP/1.1 200 OK'\nsend\n")
        for words, fragment in ((("--fault", "mute"), "--fault list"), (("--fault", "silent:2"), "silent"),
                                (("--fault", "silent", "--fault", "stall"), "add up to 2"),
                                (("--scenario", "bad.scenario"), "bad.scenario:2: a text in quotes"),
                                (("--scenario", "gone.scenario"), "gone.scenario"), (("--scenario", "."), "."),
                                (("--scenario", "bad.scenario", "--fault", "silent"), "--fault")):
            result = self.llmbench("mock", "--port", 0, *words, expect=2)
            self.assertIn(fragment, result.err)
            self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
            self.assertEqual(result.out, "")


class SentAgain(Certificates):
    """libcurl's words for a second try are those of the first: they must not name the outcome."""

    def second_try(self, name, outcome, data, fragment, context=None):
        seen = []

        def serve(connection, _):
            if read_request(connection):
                seen.append(connection)
                connection.sendall(GOOD if len(seen) == 1 else data)
                if len(seen) == 1 and read_request(connection):
                    reset(connection)
                elif outcome == "reset":
                    wait_read(connection)
                    reset(connection)
        with ScriptedServer(serve, context=context) as server:
            self.run_against(server.url, "--prompt", "x", "--stream", "-n", 2, "--parallel", 1, "--name", name,
                             *(["--insecure"] if context else []), dataset=None)
        rows = self.database(name).execute("SELECT outcome, resent, error FROM result ORDER BY arrival").fetchall()
        self.assertEqual([(row["outcome"], row["resent"]) for row in rows], [("ok", 0), (outcome, 1)], rows[1]["error"])
        self.assertIn(fragment, rows[1]["error"])
        self.assertNotIn("reset", rows[1]["error"])

    def test_what_the_second_try_met(self):
        head = STREAM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        self.make_ca("ca")
        context = self.issue("here", "IP:127.0.0.1")
        cases = (("bad_response", head + b"zz\r\nhello\r\n", "chunk"), ("truncated", head + b"5\r\nda", ""),
                 ("bad_response", head + b"5\r\ndata:\r\nzz\r\n", "chunk"), ("bad_response", b"SSH-2.0-OpenSSH_9.2\r\n", ""),
                 ("too_large", head + b"0\r\nX: " + b"y" * 5000 + b"\r\n\r\n", "trailers"),
                 ("reset", head + b"5\r\ndata:\r\n", ""))
        for number, (outcome, data, fragment) in enumerate(cases):
            with self.subTest(outcome, data=data):
                self.second_try(f"again{number}", outcome, data, fragment)
            if outcome not in ("reset", "truncated"):  # which TLS has in words of its own
                with self.subTest(outcome, data=data, over="TLS"):
                    self.second_try(f"tls{number}", outcome, data, fragment, context)


class Scenarios(Case):
    """tests/scenarios/*.scenario: the head of each says what is to come of it."""

    def test_all(self):
        files = sorted(glob.glob(os.path.join(SOURCE, "tests/scenarios/*.scenario")))
        self.assertGreater(len(files), 5)
        for path in files:
            name = os.path.basename(path).partition(".")[0]
            with self.subTest(name), open(path, encoding="utf-8") as text:
                said = dict(re.findall(r"^# (outcome|resent): (\w+)$", text.read(), re.M))
                root = self.mock("--scenario", path, "--ttft", "0", "--itl", "0", "--tokens", 3)
                self.run_against(root, "--prompt", "x", "--stream", "-n", 4, "--name", name, dataset=None, expect=None)
                rows = self.database(name).execute("SELECT outcome, resent, error FROM result").fetchall()
                self.assertEqual([row["outcome"] for row in rows], [said["outcome"]] * 4, [row["error"] for row in rows])
                self.assertEqual(max(row["resent"] for row in rows), int(said.get("resent", 0)))
                self.assertEqual(stats(root)["scenario"], 4 + sum(row["resent"] for row in rows))


class BeforeTheFirstByte(Certificates):
    """The run has begun well; then requests go elsewhere."""

    def test_places_that_cannot_be_reached(self):
        self.make_ca("ca")
        self.make_ca("nobody")
        own, wrong = self.issue("here", "IP:127.0.0.1"), self.issue("elsewhere", "DNS:example.invalid")
        old = self.issue("old", "IP:127.0.0.1", days="-1")
        alone = self.issue("alone", "IP:127.0.0.1", ca="nobody")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refused = closed.getsockname()[1]

        def serve(connection, _):
            while read_request(connection):
                connection.sendall(GOOD)

        def no_tls(connection, _):
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        def cut(connection, _):
            connection.recv(10)

        def silent(connection, _):
            connection.recv(1 << 20)
            connection.recv(1 << 20)
        servers = {name: self.stack.enter_context(ScriptedServer(serve, context=context))
                   for name, context in (("good", own), ("wrong", wrong), ("old", old), ("alone", alone))}
        servers.update({name: self.stack.enter_context(ScriptedServer(serving)) for name, serving in
                        (("no_tls", no_tls), ("cut", cut), ("silent", silent))})
        ports = {name: server.port for name, server in servers.items()}
        cases = (  # where to, outcome, what the sentence says
            (f"https://127.0.0.1:{ports['good']}/x", "ok", "^$"),
            (f"https://127.0.0.1:{ports['wrong']}/x", "tls_failed", "name|address"),
            (f"https://127.0.0.1:{ports['old']}/x", "tls_failed", "expired"),
            (f"https://127.0.0.1:{ports['alone']}/x", "tls_failed", "issuer|self.signed"),
            (f"https://127.0.0.1:{ports['no_tls']}/x", "tls_failed", "wrong version|packet length|unexpected"),
            (f"https://127.0.0.1:{ports['cut']}/x", "tls_failed", "."),
            (f"https://127.0.0.1:{ports['silent']}/x", "timeout_connect", "timeout"),
            (f"http://127.0.0.1:{refused}/x", "connect_failed", "refused"),
            ("http://nowhere.invalid/x", "connect_failed", "nowhere.invalid"),
        )
        script = self.write("elsewhere.lua", """
            local api = require "apis.openai"
            local build = api.build_request
            function api.build_request(messages, opts, ctx)
                return build(messages, opts, ctx), { url = messages[#messages].content }
            end
            return api""")
        lines = self.write("urls.txt", "".join(url + "\n" for url, _, _ in cases))
        self.llmbench("-s", script, "--model", "m", "--url", cases[0][0], "--dataset", "line_by_line", "--dataset-path", lines,
                      "--cacert", self.path("ca.pem"), "--stream", "-n", len(cases), "--name", "run", "--connect-timeout",
                      "2s", expect=0)
        rows = self.database().execute("SELECT * FROM result ORDER BY arrival").fetchall()
        for (url, outcome, fragment), row in zip(cases, rows):
            with self.subTest(url):
                self.assertEqual(row["outcome"], outcome, row["error"])
                self.assertEqual(row["sent_ns"] is None, outcome != "ok")
                self.assertRegex(row["error"] or "", fragment)
        self.assertEqual(len(rows), len(cases))


if __name__ == "__main__":
    unittest.main()
