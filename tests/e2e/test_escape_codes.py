"""Nothing that a response holds drives the terminal, wherever in it and wherever on the terminal."""
import contextlib
import json
import os
import pty
import re
import select
import subprocess
import time
import unittest

from harness import (Case, DONE, LLMBENCH, PATIENCE, ScriptedServer, answer, chunked, clean_environment, event, plain,
                     read_request)

# Title, erasing, colours, the bell, a step back, the same begun with C1, marks of direction, separators of lines.
WORDS = ("planted\x1b]0;owned\x07\x1b[2J\x1b[38;5;201m\x08\x7f\x00\u009b2J\u0090q\u009c\u202etxt\u202c\u2066\u2069\u200e\u200f"
         "\u061c\u2028\u2029\rback\x0b\x0c")
# As bytes that are no UTF-8: C1 alone, and spelled longer than need be.
RAW = (WORDS.replace("\x00", "").encode() + b"\x9b2J\x90q\x9c\x85 \xc0\x9b \xe0\x82\x9b2J \xf0\x80\x82\x9b2J \xc2").replace(b"\r", b"")
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]")


def streamed(*events):
    return answer(*events, event(finish="stop"), DONE)


def head(line, *fields, body=b"{}"):
    return b"\r\n".join((line, *fields, b"Content-Length: %d" % len(body), b"", body))


RAW_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"' + RAW.replace(b"\x1b", b"") + b'"}}]}\n\n'
ANSWERS = {
    "content": streamed(event(WORDS), event(WORDS + "b")),
    "content in raw bytes": streamed(event("a"), RAW_EVENT),
    "finish reason": answer(event("a"), event(finish=WORDS), DONE),
    "model": streamed(event("a", model=WORDS)),
    "name of a field": streamed(event("a", **{WORDS: WORDS})),
    "comment": streamed(event("a"), b": " + RAW + b"\n\n"),
    "no JSON in an event": streamed(event("a"), b"data: " + RAW + b"\n\n"),
    "error in a stream": answer(event("a"), b"data: %s\n\n" % json.dumps({"error": {"message": WORDS, "type": WORDS}}).encode()),
    "kind of an event": answer(event("a"), b"event: " + RAW + b"\ndata: {}\n\n", DONE),
    "plain answer": plain({"model": WORDS, "choices": [{"index": 0, "finish_reason": WORDS, "message": {"content": WORDS}}]}),
    "no JSON at all": plain(RAW, content_type="text/plain"),
    "error": plain({"error": {"message": WORDS, "code": WORDS}}, "400 Bad"),
    "error as text": plain(RAW, "500 Oh", "text/html"),
    "error as a stream": head(b"HTTP/1.1 503 Oh", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked",
                              body=b"").replace(b"Content-Length: 0\r\n", b"") + chunked(event(WORDS)),
    "value of a header": head(b"HTTP/1.1 404 No", b"X-Planted: " + RAW, b"Retry-After: " + RAW, b"Location: " + RAW),
    "name of a header": head(b"HTTP/1.1 404 No", b"X-" + RAW + b": a"),
    "content type": head(b"HTTP/1.1 200 OK", b"Content-Type: text/" + RAW),
    "content encoding": head(b"HTTP/1.1 200 OK", b"Content-Type: application/json", b"Content-Encoding: " + RAW),
    "transfer encoding": head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: " + RAW),
    "reason": head(b"HTTP/1.1 429 " + RAW, b"Content-Type: text/plain"),
    "status line": RAW + b"\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 1" + RAW + b"\r\n\r\n{}",
}


class EscapeCodes(Case):
    def serve(self, connection, _):
        while request := read_request(connection):
            number = int(re.search(rb"case (\d+)", request[2]).group(1))
            if number == len(ANSWERS) - 1:
                time.sleep(1)  # the running line is there
            connection.sendall(list(ANSWERS.values())[number])

    def on_terminal(self, *words):
        """All that the program writes on a terminal that is its stdout and stderr."""
        master, slave = pty.openpty()
        written, end = b"", time.monotonic() + PATIENCE
        process = subprocess.Popen([LLMBENCH, *words], cwd=self.work, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                   env=clean_environment(TERM="xterm", NO_COLOR="1"))
        self.addCleanup(self._end, process)
        os.close(slave)
        with contextlib.suppress(OSError):  # what a read says when the other side is gone
            while time.monotonic() < end:
                if select.select([master], [], [], 0.1)[0]:
                    written += os.read(master, 65536)
        os.close(master)
        self.assertIn(process.wait(PATIENCE), (0, 1))
        return written

    def on_pipe(self, *words):
        process = subprocess.run([LLMBENCH, *words], cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, env=clean_environment(), timeout=PATIENCE, check=False)
        self.assertIn(process.returncode, (0, 1))
        return process.stdout

    def check(self, what, written, shown=True):
        """The program's own ways to drive it are taken out: the line that it writes anew, ends of lines."""
        text = written.replace(b"\r\x1b[K", b"").replace(b"\r\n", b"\n").decode(errors="surrogateescape")
        found = [text[max(0, at.start() - 60):at.end() + 20] for at in STEERS.finditer(text)]
        self.assertEqual(found[:3], [], what)
        if shown:
            self.assertIn("planted", text, what)

    def job(self, url, name, *words):
        lines = self.write("cases.txt", "".join(f"case {i}\n" for i in range(len(ANSWERS))))
        return ("--api", "openai", "--url", url + "/v1/chat/completions", "--model", "m", "--dataset", "line_by_line",
                "--dataset-path", lines, "--stream", "--offline", "--name", name, "--read-timeout", "5", *words)

    def test_of_a_run(self):
        with ScriptedServer(self.serve) as server:
            for name, words in (("plain", ()), ("debug", ("--debug",))):
                self.check(name, self.on_pipe(*self.job(server.url, name, *words)))
                self.assertEqual(self.database(name).execute("SELECT count(*) FROM result").fetchone()[0], len(ANSWERS))
                written = self.on_terminal(*self.job(server.url, name + "-tty", *words))
                self.assertIn(b"in flight", written)
                self.check(name + " on a terminal", written)
                with open(self.path(f"outputs/{name}.log"), "rb") as log:
                    self.check(name + ": log", log.read(), shown=False)

    def test_of_a_report(self):
        with ScriptedServer(self.serve) as server:
            self.llmbench(*self.job(server.url, "run", "--quiet"))
        for kind in ("table", "qianfan"):
            words = ("report", "outputs/run.db", "--report", kind)
            self.check(kind, self.on_pipe(*words), shown=kind == "table")
            self.check(kind + " on a terminal", self.on_terminal(*words), shown=kind == "table")


if __name__ == "__main__":
    unittest.main()
