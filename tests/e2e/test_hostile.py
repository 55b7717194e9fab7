"""Servers that break the rules, and a client that must name each breach, lose nothing and live on."""
import contextlib
import gzip
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import unittest
import zlib

from harness import (Case, DONE, GOOD, LLMBENCH, SANITIZED, STREAM_HEAD, ScriptedServer, answer, chunked, clean_environment,
                     event, judged_by_the_clock, plain, read_request, reset, sends, stats, wait_for,
                     wait_read)

CHUNKED_HEAD = STREAM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ONE_PROMPT = ("--api", "openai", "--prompt", "x", "--model", "m", "--offline")
CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello world"}, "finish_reason": "stop"}]}


def resets(data):
    def case(connection, _):
        connection.sendall(data)
        wait_read(connection)  # RST throws away what is still on its way
        reset(connection)
    return case


def stalls(data):
    def case(connection, _):
        connection.sendall(data)
        connection.settimeout(20)
        connection.recv(1)
    return case


def floods(head, piece):
    """Sends a hundred megabytes, or until the other side is gone."""
    def case(connection, _):
        connection.sendall(head)
        for _ in range(100_000_000 // len(piece)):
            connection.sendall(piece)
    return case


class Hostile(Case):
    def check(self, table, *words, expect=0):
        """table: (name, case, allowed outcomes, fragment of the error or text). After all of them a good answer must
        still be taken as one."""
        cases = [case for _, case, _, _ in table] + [sends(GOOD)]
        rows = self.run_cases(cases, *words, expect=expect)
        for (name, _, allowed, fragment), row in zip(table, rows):
            with self.subTest(name):
                self.assertIn(row["outcome"], allowed, row["error"])
                said = row["text"] if row["outcome"] == "ok" else row["error"]
                self.assertIn(fragment, said if isinstance(said, str) else said.decode("utf-8", "replace"))
                self.assertEqual(row["outcome"] == "ok", row["error"] is None)
        self.assertEqual((rows[-1]["outcome"], rows[-1]["text"]), ("ok", "Hello world"), rows[-1]["error"])
        self.assertEqual(self.database().execute("PRAGMA integrity_check").fetchone()[0], "ok")
        return rows

    def test_broken_connections(self):
        cut = {"reset", "truncated"}
        self.check((
            ("closed at once", sends(b""), cut, ""),
            ("reset at once", resets(b""), cut, ""),
            ("closed in the headers", sends(STREAM_HEAD), cut, ""),
            ("closed after the headers", sends(CHUNKED_HEAD), cut, ""),
            ("reset after the headers", resets(CHUNKED_HEAD), cut, ""),
            ("reset in the middle", resets(CHUNKED_HEAD + chunked(event("a"))[:-5]), {"reset"}, "reset"),
            ("closed in a chunk", sends(GOOD[:GOOD.find(b" world")]), cut, ""),
            ("closed between chunks", sends(CHUNKED_HEAD + chunked(event("a"), event("b"))[:-5]), cut, ""),
            ("closed after the finish reason", sends(GOOD[:GOOD.find(b"data: [DONE]") - 4]), cut, ""),
            ("short of its Content-Length", sends(plain(CHAT)[:-9]), {"truncated", "reset"}, ""),
            ("neither length nor chunks", sends(STREAM_HEAD + b"\r\n" + event("a") + event(finish="stop") + DONE),
             {"ok"}, "a"),
            ("… and cut", sends(STREAM_HEAD + b"\r\n" + event("a")), {"truncated"}, ""),
        ), "--parallel", 4)

    @judged_by_the_clock
    def test_silence(self):
        rows = self.check((
            ("never answers", stalls(b""), {"timeout_read"}, "0.5"),
            ("stalls after the headers", stalls(CHUNKED_HEAD), {"timeout_read"}, "0.5"),
            ("stalls in an event", stalls(CHUNKED_HEAD + b"5\r\ndata:\r\n"), {"timeout_read"}, "0.5"),
            ("stalls after the finish reason", stalls(GOOD[:GOOD.find(b"e\r\ndata: [DONE]")]), {"timeout_read"}, "0.5"),
            ("a byte every 0.2 s for ever", sends([CHUNKED_HEAD + b"ff\r\n", *[b"d"] * 90], 0.2),
             {"timeout_total"}, "2"),
            ("a header line every 0.2 s for ever", sends([STREAM_HEAD, *[b"X: y\r\n"] * 90], 0.2),
             {"timeout_total"}, "2"),
            ("keeps pinging", sends([CHUNKED_HEAD] + [b"4\r\n:x\n\n\r\n"] * 100, 0.1), {"timeout_total"}, "2"),
        ), "--parallel", 8, "--read-timeout", "500ms", "--total-timeout", "2s")
        for row, limit in zip(rows, (0.5, 0.5, 0.5, 0.5, 2, 2, 2)):
            took = (row["end_ns"] - row["started_ns"]) / 1e9
            self.assertTrue(limit - 0.1 < took < limit + 3, took)

    def test_no_http(self):
        odd = {"bad_response", "truncated", "reset"}
        self.check((
            ("an SSH server", sends(b"SSH-2.0-OpenSSH_9.2\r\n"), odd, ""),
            ("binary", sends(bytes(range(256)) * 40), odd, ""),
            ("zeros", sends(b"\0" * 100_000), odd, ""),
            ("HTML without headers", sends(b"<html><body>502 Bad Gateway</body></html>"), odd, ""),
            ("HTTP/9", sends(b"HTTP/9.9 200 OK\r\n\r\n"), odd, ""),
            ("HTTP/2 in plain text", sends(b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80" * 9), odd, ""),
            ("a status of letters", sends(b"HTTP/1.1 abc OK\r\n\r\n"), odd, ""),
            ("a status of 999", sends(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"), odd | {"http_other"}, ""),
            ("a chunk size of letters", sends(CHUNKED_HEAD + b"zz\r\nhello\r\n0\r\n\r\n"), odd, ""),
            ("a negative chunk size", sends(CHUNKED_HEAD + b"-5\r\nhello\r\n0\r\n\r\n"), odd, ""),
            ("a huge chunk size", sends(CHUNKED_HEAD + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"), odd, ""),
            ("a chunk longer than its size", sends(CHUNKED_HEAD + b"3\r\nhello\r\n0\r\n\r\n"), odd, ""),
            ("a negative Content-Length", sends(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
             odd | {"empty"}, ""),
            ("a Content-Length beyond 2^64", sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nhi"),
             odd | {"too_large"}, ""),
            ("a header without a name", sends(STREAM_HEAD + b": x\r\n\r\n" + event("a", "stop") + DONE),
             odd | {"ok"}, ""),
            ("zeros in a header", sends(STREAM_HEAD + b"X: a\0b\r\n\r\n" + event("a", "stop") + DONE),
             odd | {"ok"}, ""),
        ), "--parallel", 4, "--read-timeout", "20s")

    def test_what_a_200_may_hold(self):
        html = b"<html><body>Sign in</body></html>"

        def indexed(index):
            return b'data: {"choices":[{"index":%s,"delta":{"content":"x"}}]}\n\n' % index
        self.check((
            ("no body", sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), {"empty"}, "no text"),
            ("no content", sends(b"HTTP/1.1 204 No Content\r\n\r\n"), {"empty"}, "no text"),
            ("HTML", sends(plain(html, content_type="text/html")), {"bad_response", "truncated"}, ""),
            ("HTML that calls itself JSON", sends(plain(html)), {"bad_response"}, ""),
            ("cut JSON", sends(plain(json.dumps(CHAT).encode()[:-4])), {"bad_response"}, ""),
            ("a JSON string", sends(plain(b'"hello"')), {"bad_response"}, ""),
            ("a deep JSON list", sends(plain(b"[" * 200_000)), {"bad_response"}, ""),
            ("a plain answer although a stream was asked for", sends(plain(CHAT)), {"ok"}, "Hello world"),
            ("a plain error", sends(plain({"error": {"message": "out of luck"}})), {"stream_error"}, "out of luck"),
            ("an error of text", sends(plain({"error": "out of luck"})), {"stream_error"}, "out of luck"),
            ("an SSE error event", sends(answer(event("a"), b"event: error\ndata: {\"message\":\"boom\"}\n\n")),
             {"stream_error"}, "boom"),
            ("only [DONE]", sends(answer(DONE)), {"empty"}, "no text"),
            ("only pings", sends(answer(b": ping\n\n" * 9)), {"truncated"}, ""),
            ("choices without a choice", sends(answer(b'data: {"choices":[]}\n\n', DONE)), {"empty"}, ""),
            ("choices of the wrong kind",
             sends(answer(b'data: {"choices":"no"}\n\n', b'data: {"choices":[3,null,"x"]}\n\n', DONE)),
             {"empty", "bad_response"}, ""),
            ("content of the wrong kind", sends(answer(event({"a": 1}), event(7), event([1, {"text": "x"}]), DONE)),
             {"ok", "empty"}, ""),
            ("an index from elsewhere", sends(answer(*map(indexed, (b"-1", b"4000000000", b"1e300", b'"a"', b"0.5")), DONE)),
             {"ok"}, "x"),
            ("no JSON in between", sends(answer(event("a"), b"data: {oops\n\n", event("b"), event(finish="stop"), DONE)),
             {"ok"}, "ab"),
        ), "--parallel", 4)

    def test_statuses(self):
        def status(line, body=b'{"error":{"message":"said why"}}', extra=""):
            return sends(plain(body, line, extra=extra))
        self.check((
            ("400", status("400 Bad Request"), {"http_4xx"}, "HTTP 400: said why"),
            ("429", status("429 Too Many Requests"), {"http_429"}, "said why"),
            ("503 with HTML", status("503 Down", b"<h1>down</h1>"), {"http_5xx"}, "<h1>down</h1>"),
            ("500 without a body", status("500 Oops", b""), {"http_5xx"}, "500"),
            ("404 with a huge body", status("404 Not Found", b"x" * 1_000_000), {"http_4xx"}, "404"),
            ("a redirect", status("301 Moved", b"", "Location: /elsewhere\r\n"), {"http_other"}, "301"),
            ("307", status("307 Again", b"", "Location: http://127.0.0.1:9/\r\n"), {"http_other"}, "307"),
            ("an endless redirect", status("302 Found", b"", "Location: /v1/chat/completions\r\n"),
             {"http_other"}, "302"),
            ("401 that asks", status("401 Who", extra='WWW-Authenticate: Basic realm="x"\r\n'), {"http_4xx"}, "401"),
            ("an error as stream",
             sends(answer(b'data: {"error":{"message":"said why"}}\n\n', head=STREAM_HEAD.replace(b"200 OK", b"500 No"))),
             {"http_5xx"}, "said why"),
        ), "--parallel", 4)

    def test_other_http(self):
        ok = event("Hel") + event("lo") + event(finish="stop") + DONE
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        rows = self.check((
            ("HTTP/1.0", sends(STREAM_HEAD.replace(b"1.1", b"1.0") + b"\r\n" + ok), {"ok"}, "Hello"),
            ("100 first", sends(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD), {"ok"}, "Hello"),
            ("many 1xx", sends(early * 50 + GOOD), {"ok"}, "Hello"),
            ("101", sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
             {"http_other", "bad_response"}, ""),
            ("trailers", sends(CHUNKED_HEAD + chunked(ok)[:-2] + b"X-Late: 1\r\n\r\n"), {"ok"}, "Hello"),
            ("chunk extensions", sends(CHUNKED_HEAD + b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(ok), ok)), {"ok"}, "Hello"),
            ("bare LF", sends(b"HTTP/1.1 200 OK\nContent-Type: text/event-stream\n\n" + ok), {"ok"}, "Hello"),
            ("folded header", sends(STREAM_HEAD + b"X: a\r\n b\r\n\r\n" + ok), {"ok"}, "Hello"),
            ("CRLF events", sends(answer(ok.replace(b"\n", b"\r\n"))), {"ok"}, "Hello"),
            ("CR events", sends(answer(ok.replace(b"\n", b"\r"))), {"ok"}, "Hello"),
            ("a BOM", sends(answer(b"\xef\xbb\xbf" + ok)), {"ok"}, "Hello"),
            ("no last blank line", sends(answer(ok[:-2])), {"ok"}, "Hello"),
            ("parameters of the type", sends(GOOD.replace(b"event-stream", b"event-stream;charset=UTF-8")),
             {"ok"}, "Hello"),
            ("a type in capitals", sends(GOOD.replace(b"text/event-stream", b"TEXT/Event-Stream")), {"ok"}, "Hello"),
            ("no type", sends(GOOD.replace(b"Content-Type", b"X-Type")), {"ok"}, "Hello"),
        ), "--parallel", 4)
        self.assertEqual(rows[2]["status"], 200)

    def test_odd_text(self):
        nul, bad = event("a\0b"), b'data: {"choices":[{"index":0,"delta":{"content":"a\xff\xfeb"}}]}\n\n'
        binary = bytes(byte for byte in range(256) if byte not in b"\r\n")
        raw_nul = b'data: {"choices":[{"index":0,"delta":{"content":"x\0y"}}]}\n\n'
        rows = self.check((
            ("an escaped NUL", sends(answer(nul, event(finish="stop"), DONE)), {"ok"}, "a"),
            ("bytes that are no UTF-8", sends(answer(bad, event(finish="stop"), DONE)), {"ok", "bad_response"}, ""),
            ("a raw NUL", sends(answer(raw_nul, event("z"), event(finish="stop"), DONE)), {"ok"}, ""),
            ("binary events", sends(answer(*[b"data: " + binary + b"\n\n"] * 3, event("a", "stop"), DONE)), {"ok"}, "a"),
            ("terminal escapes in an error", sends(plain({"error": {"message": "\x1b[2J\x1b[31mred\r\nfake: 1"}}, "500 No")),
             {"http_5xx"}, "red"),
        ))
        self.assertNotIn("\x1b", self.result.out + self.result.err, "a server's words do not drive the terminal")
        self.assertEqual(rows[0]["text_chars"], 3)
        text = rows[0]["text"]
        self.assertEqual(text.encode() if isinstance(text, str) else text, b"a\0b", "nothing is cut off at a NUL")
        for row in rows:
            messages = row["response_messages"]
            json.loads(messages if isinstance(messages, str) else messages.decode("utf-8", "replace"), strict=False)

    def test_too_much(self):
        megabyte = event("x" * 1_000_000)
        rows = self.check((
            ("endless body", floods(CHUNKED_HEAD, chunked(event("x" * 60_000))[:-5]), {"too_large"}, "4194304"),
            ("endless headers", floods(b"HTTP/1.1 200 OK\r\n", b"X-Long: " + b"y" * 900 + b"\r\n"),
             {"too_large", "bad_response"}, ""),
            ("one endless header", floods(b"HTTP/1.1 200 OK\r\n", b"X" * 1000), {"too_large", "bad_response"}, ""),
            ("an endless event", floods(STREAM_HEAD + b"\r\ndata: ", b"x" * 100_000), {"too_large"}, ""),
            ("an announced body of a gigabyte",
             sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 5_000_000),
             {"too_large"}, ""),
            ("events of a megabyte", sends(answer(megabyte, megabyte, event(finish="stop"), DONE)),
             {"ok"}, "x" * 2_000_000),
            ("just within", sends(plain(json.dumps(CHAT).encode() + b" " * (4194304 - len(json.dumps(CHAT))))),
             {"ok"}, "Hello world"),
            ("one byte beyond", sends(plain(json.dumps(CHAT).encode() + b" " * (4194305 - len(json.dumps(CHAT))))),
             {"too_large"}, ""),
        ), "--max-response-bytes", "4MiB", "--read-timeout", "60s")
        self.assertEqual(rows[5]["text_chars"], 2_000_000)

    def test_many_tiny_events(self):
        count = 100_000 if SANITIZED else 1_000_000
        tiny = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
        body = [CHUNKED_HEAD] + [chunked(tiny * 1000)[:-5]] * (count // 1000) + [chunked(event(finish="stop"), DONE)]
        rows = self.check((("tiny events", sends(body), {"ok"}, "xxx"),), "--max-response-bytes", "1G")
        self.assertEqual(rows[0]["text_events"], count)
        self.assertEqual(rows[0]["completion_tokens"], count)

    @judged_by_the_clock
    def test_a_byte_at_a_time(self):
        def drips(connection, _):
            for byte in GOOD:
                connection.sendall(b"%c" % byte)
                time.sleep(0.05 if byte == 10 else 0.0005)  # events end with a newline; their last bytes are read alone
        rows = self.check((("slow", drips, {"ok"}, "Hello world"),))
        self.assertEqual(json.loads(rows[0]["events"]).get("coalesced", []), [])


class Killed(Case):
    @staticmethod
    def job(root):
        return ("--api", "openai", "--dataset", "openqa", "--offline", "--url", root + "/v1/chat/completions", "--model", "m",
                "--stream", "--name", "run")

    def test_a_server_killed_with_fifty_in_flight(self):
        mock = subprocess.Popen([LLMBENCH, "mock", "--port", "0", "--ttft", "50ms", "--itl", "20ms", "--tokens", "30"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment())
        self.addCleanup(mock.stdout.close)
        self.addCleanup(mock.wait)
        self.addCleanup(mock.kill)
        root = re.search(r"http://[\d.]+:\d+", mock.stdout.readline().decode()).group(0)
        process = self.spawn(*self.job(root), "--parallel", 50, "-n", 400, "--json", self.path("report.json"))
        wait_for(lambda: stats(root)["requests"]["total"] >= 120, what="load")
        mock.send_signal(signal.SIGKILL)
        result = self.wait(process)
        self.assertEqual(result.code, 0, result.err)
        with open(self.path("report.json"), encoding="utf-8") as text:
            report = json.load(text)
        counts = report["counts"]
        self.assertEqual(counts["due"], 400)
        self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        self.assertGreater(counts["ok"], 49)
        base = self.database()
        self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        found = dict(base.execute("SELECT outcome, count(*) FROM result GROUP BY outcome").fetchall())
        self.assertEqual(found, {name: count for name, count in counts["by_outcome"].items() if count})
        broken = found.get("reset", 0) + found.get("truncated", 0)
        self.assertTrue(1 <= broken <= 100, found)  # in flight, and just connecting
        self.assertEqual(found["connect_failed"], 400 - found["ok"] - broken)
        self.assertIn("connect_failed", result.out)
        late = base.execute("SELECT * FROM result WHERE outcome='connect_failed'").fetchall()
        self.assertEqual({row["status"] for row in late}, {None})
        self.assertLessEqual(sum(row["sent_ns"] is not None for row in late), 50, "only into kept connections that were dead")

    def test_a_program_killed_leaves_a_valid_database(self):
        root = self.mock("--ttft", "20ms", "--itl", "5ms", "--tokens", 10)
        process = self.spawn(*self.job(root), "--parallel", 20, "-n", 100000)

        def written():
            with contextlib.suppress(sqlite3.OperationalError):
                return self.database().execute("SELECT count(*) FROM result WHERE success=1").fetchone()[0]
            return 0
        wait_for(lambda: written() > 50, what="load")
        process.send_signal(signal.SIGKILL)
        self.wait(process)
        base = self.database()
        self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        self.assertGreater(base.execute("SELECT count(*) FROM result WHERE success=1").fetchone()[0], 50)
        self.assertIsNone(base.execute("SELECT ended FROM run").fetchone()[0])


class Manners(Case):
    def test_a_server_that_repeats_the_key(self):
        """As OpenAI does: `Incorrect API key provided: sk-…`."""
        key = "sk-repeated/1234567890"

        def told(make):
            def case(connection, request):
                connection.sendall(make(request[1]["authorization"].removeprefix("Bearer ")))
            return case
        self.run_cases([told(lambda said: plain({"error": {"message": "Incorrect API key provided: " + said}}, "401 No")),
                        told(lambda said: plain(said.encode(), "403 No", "text/plain")),
                        told(lambda said: answer(event("a"), b"error: " + said.encode() + b"\n\n")),
                        told(lambda said: answer(event("it is " + said, said), DONE))], "--api-key", key)
        for folder, _, files in os.walk(self.work):
            for name in files:
                with open(os.path.join(folder, name), "rb") as content:
                    self.assertNotIn(key.encode(), content.read(), name)
        self.assertNotIn(key, self.result.out)
        self.assertNotIn(key, self.result.err)

    def test_an_answer_nobody_asked_for(self):
        """Every answer comes twice; the second must not become that of the next request."""
        seen = []

        def serve(connection, _):
            while read_request(connection):
                seen.append(1)
                connection.sendall(GOOD + plain(CHAT, "500 Late"))
        with ScriptedServer(serve) as server:
            report, _ = self.run_against(server.url, "--stream", "--parallel", 2, "-n", 40)
        self.assertEqual((report["counts"]["ok"], len(seen)), (40, 40))

    def test_an_answer_before_the_request_was_read(self):
        self.write("long.txt", "x" * 3_000_000)

        def serve(connection, number):
            connection.recv(1000)
            connection.sendall(plain({"error": {"message": "too long"}}, "413 Too Large", extra="Connection: close\r\n"))
            connection.shutdown(socket.SHUT_WR)
            while number % 2 and connection.recv(65536):
                pass  # half of them read on, the others drop the connection
        with ScriptedServer(serve) as server:
            report, _ = self.run_against(server.url, "--prompt", "@long.txt", "-n", 8, dataset=None, expect=1)
        outcomes = {name for name, count in report["counts"]["by_outcome"].items() if count}
        self.assertIn("http_4xx", outcomes)
        self.assertLessEqual(outcomes, {"http_4xx", "reset", "send_failed"})


class Compression(Case):
    @staticmethod
    def packed(encoding, data, announced, seen=None):
        """Sends data as the body of a packed answer of the announced length."""
        def case(connection, request):
            if seen is not None:
                seen.append(request[1].get("accept-encoding", ""))
            connection.sendall(STREAM_HEAD + f"Content-Encoding: {encoding}\r\nContent-Length: {announced}\r\n\r\n".encode())
            connection.sendall(data)
        return case

    def test_compressed_answers(self):
        body = event("Hello") + event(" world") + event(finish="stop") + DONE
        gzipped, deflated, bomb = gzip.compress(body), zlib.compress(body), gzip.compress(b" " * 100_000_000)
        for asked in (False, True):
            seen = []
            rows = self.run_cases([
                self.packed("gzip", gzipped, len(gzipped), seen), self.packed("deflate", deflated, len(deflated), seen),
                self.packed("gzip", gzipped[:-12], len(gzipped)), self.packed("gzip", body, len(body)),
                self.packed("gzip", bomb, len(bomb)), sends(GOOD)],
                *(["--compressed"] * asked), "--max-response-bytes", "10M", name=f"asked{asked}")
            self.assertEqual([row["text"] for row in rows[:2]], ["Hello world"] * 2, [row["error"] for row in rows])
            self.assertNotEqual(rows[2]["outcome"], "ok")
            self.assertEqual([row["outcome"] for row in rows[3:]], ["bad_response", "too_large", "ok"])
            self.assertEqual(["gzip" in words for words in seen], [asked] * 2)


class Urls(Case):
    def seen(self, url, *words, host="127.0.0.1", env=None):
        """The request lines and headers that a server sees for a URL with {port} in it."""
        requests = []

        def serve(connection, _):
            while request := read_request(connection):
                requests.append(request)
                connection.sendall(GOOD)
        with ScriptedServer(serve, host=host) as server:
            self.result = self.llmbench(*ONE_PROMPT, "--stream", "--name", f"u{time.monotonic_ns()}", "--json",
                                        self.path("u.json"), "--url", url.format(port=server.port), *words, env=env)
        return requests

    def test_variants(self):
        for url, path in (("http://127.0.0.1:{port}", "/v1/chat/completions"),
                          ("http://127.0.0.1:{port}/", "/v1/chat/completions"),
                          ("http://127.0.0.1:{port}/v1/chat/completions", "/v1/chat/completions"),
                          ("http://127.0.0.1:{port}/v1/chat/completions/", "/v1/chat/completions/"),
                          ("http://127.0.0.1:{port}/a/b?key=1&x=%20y", "/a/b?key=1&x=%20y"),
                          ("http://127.0.0.1:{port}?key=1", "/v1/chat/completions?key=1"),
                          ("http://127.0.0.1:{port}/deep//slash", "/deep//slash"),
                          ("HTTP://127.0.0.1:{port}/Upper", "/Upper"),
                          ("http://localhost:{port}/name", "/name"),
                          ("http://127.0.0.1:{port}/x#part", "/x")):
            with self.subTest(url):
                requests = self.seen(url)
                self.assertEqual([line for line, _, _ in requests], [f"POST {path} HTTP/1.1"])
                self.assertNotIn("authorization", requests[0][1])

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            print("\n  no [::1] here: not tested")
            return
        self.assertEqual(len(self.seen("http://[::1]:{port}/six", host="::1")), 1)

    def test_user_and_password_are_sent_and_hidden(self):
        (_, headers, _), = self.seen("http://someone:tops3cret@127.0.0.1:{port}/x", "--name", "hidden")
        self.assertEqual(headers["authorization"], "Basic c29tZW9uZTp0b3BzM2NyZXQ=")
        for folder, _, files in os.walk(self.work):
            for name in files:
                with open(os.path.join(folder, name), "rb") as content:
                    self.assertNotIn(b"tops3cret", content.read(), name)
        self.assertNotIn("tops3cret", self.result.out + self.result.err)
        self.assertNotIn("c29tZW9uZTp0b3BzM2NyZXQ", self.result.out + self.result.err)

    def test_urls_that_cannot_be(self):
        for url in ("http://", "http:///x", "127.0.0.1:80", "http://127.0.0.1:99999/", "http://[::1/", "http://a b/",
                    "file:///etc/passwd", "gopher://127.0.0.1/", ""):
            result = self.llmbench(*ONE_PROMPT, "--url", url)
            self.assertIn(result.code, (2, 3), f"{url}: {result.err}")
            self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
            self.assertFalse(os.path.exists(self.path("outputs")), url)

    def test_proxy_is_not_for_loopback(self):
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        dead = {name: "http://127.0.0.1:9" for name in names}
        for host in ("127.0.0.1", "localhost"):
            self.assertEqual(len(self.seen("http://%s:{port}/x" % host, env=dead)), 1)

    def test_proxy_for_other_names(self):
        """The proxy answers itself; the name does not exist anywhere."""
        lines = []

        def serve(connection, _):
            while request := read_request(connection):
                lines.append(request[0])
                if request[0].startswith("CONNECT"):
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                else:
                    connection.sendall(GOOD)
        with ScriptedServer(serve) as proxy:
            env = {"http_proxy": proxy.url, "https_proxy": proxy.url}
            report, _ = self.run_against("http://model.invalid:8000", "--stream", "-n", 3, "--prompt", "x", dataset=None,
                                         env=env)
            self.assertEqual(report["counts"]["ok"], 3)
            posts = [line for line in lines if line.startswith("POST")]
            self.assertEqual(posts, ["POST http://model.invalid:8000/v1/chat/completions HTTP/1.1"] * 3)
            result = self.llmbench(*ONE_PROMPT, "--name", "tls", "--url", "https://model.invalid/x", env=env)
            self.assertIn(result.code, (1, 3), result.err)
            self.assertIn("CONNECT model.invalid:443 HTTP/1.1", lines)

    def test_no_such_name(self):
        result = self.llmbench(*ONE_PROMPT, "--url", "http://model.invalid/x", expect=3)
        self.assertIn("model.invalid", result.err)


if __name__ == "__main__":
    unittest.main()
