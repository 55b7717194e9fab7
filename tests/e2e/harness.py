"""What the end-to-end tests share: the built program, the mock server, scripted servers, a folder that goes away."""
import contextlib
import functools
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

LLMBENCH = os.environ["LLMBENCH"]
SOURCE = os.environ["LLMBENCH_SOURCE"]
SANITIZED = bool(os.environ.get("LLMBENCH_SANITIZE"))
PATIENCE = 300 if SANITIZED else 120  # seconds before a program that hangs is a failure


def clean_environment(**more):
    """No keys, proxies, caches or hubs of the machine that runs the tests."""
    keep = {name: value for name, value in os.environ.items()
            if name in ("PATH", "HOME", "LANG", "TMPDIR") or name.endswith("SAN_OPTIONS")}
    keep.update({"XDG_CACHE_HOME": "/dev/null", "XDG_STATE_HOME": "/dev/null", "MODELSCOPE_ENDPOINT": "http://127.0.0.1:9",
                 "HF_ENDPOINT": "http://127.0.0.1:9", "LC_ALL": "C.UTF-8"})
    keep.update(more)
    return keep


def judged_by_the_clock(test):
    """For a test of times, rates, or of what is under way at a moment: a machine that is busy with something else can fail
    it, so it is made again from its setUp on, up to four times, which is said. A defect fails it each time."""
    @functools.wraps(test)
    def patient(self, *args):
        for attempt in range(1, 4):
            self.subTest = lambda *_, **__: contextlib.nullcontext()  # whose failure is to be seen here
            try:
                return test(self, *args)
            except unittest.SkipTest:
                raise
            except Exception as error:  # what was not yet there is a KeyError as often as a failed assertion
                print(f"\n  attempt {attempt}, on a busy machine? {type(error).__name__}: {str(error)[:1000]}", file=sys.stderr)
            finally:
                del self.subTest
            self.doCleanups()
            time.sleep(attempt)
            self.setUp()
        return test(self, *args)
    return patient


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class Case(unittest.TestCase):
    """A test with a folder of its own (self.work) in which the program runs."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.work = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="llmbench-test-"))

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as out:
            out.write(text.encode() if isinstance(text, str) else text)
        return self.path(name)

    def spawn(self, *args, env=None, **popen):
        process = subprocess.Popen([LLMBENCH, *map(str, args)], cwd=self.work, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=clean_environment(**(env or {})), **popen)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def wait(self, process, patience=PATIENCE, given=None):
        out, err = process.communicate(given, timeout=patience)
        return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def llmbench(self, *args, env=None, expect=None, given=None):
        """`given` is its standard input."""
        stdin = None if given is None else subprocess.PIPE
        result = self.wait(self.spawn(*args, env=env, stdin=stdin), given=given and given.encode())
        if expect is not None:
            self.assertEqual(result.code, expect, f"{args}\n--- stdout\n{result.out}\n--- stderr\n{result.err}")
        return result

    def mock(self, *args):
        """Starts the mock server on a free port; returns its root URL."""
        process = subprocess.Popen([LLMBENCH, "mock", "--port", "0", *map(str, args)], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env=clean_environment())

        def stop():
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                if process.poll() is None:
                    process.kill()
                process.stdout.close()
        self.addCleanup(stop)
        line = process.stdout.readline().decode()
        return re.search(r"http://[\d.]+:\d+", line).group(0)

    def run_against(self, url, *args, api="openai", dataset="openqa", expect=0, path="/v1/chat/completions", **more):
        """The main job with a JSON report; returns (report, result)."""
        report = self.path("report.json")
        words = ["--api", api, "--url", url + path, "--model", "m", "--json", report, "--name", "run", "--offline"]
        if dataset:
            words += ["--dataset", dataset]
        result = self.llmbench(*words, *args, expect=expect, **more)
        with open(report, encoding="utf-8") as text:
            return json.load(text), result

    def run_cases(self, cases, *args, name="run", expect=0):
        """One request a case, each served by its own function (connection, request) on a connection that is then
        closed, unless the function returns true; returns the rows in the order of the cases."""
        def serve(connection, _):
            while request := read_request(connection):
                number = int(re.search(rb"case (\d+)", request[2]).group(1))
                if not cases[number](connection, request):
                    return
        lines = self.write("cases.txt", "".join(f"case {i}\n" for i in range(len(cases))))
        with ScriptedServer(serve) as scripted:
            self.report, self.result = self.run_against(
                scripted.url, "--dataset-path", lines, "--stream", "--name", name, *args, dataset="line_by_line",
                expect=expect)
        rows = self.database(name).execute("SELECT * FROM result ORDER BY arrival").fetchall()
        self.assertEqual([row["arrival"] for row in rows], list(range(len(cases))))
        counts = self.report["counts"]
        self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        for outcome, count in counts["by_outcome"].items():
            self.assertEqual(count, sum(row["outcome"] == outcome for row in rows), outcome)
        return rows

    def database(self, name="run"):
        base = sqlite3.connect(f"file:{self.path('outputs/' + name + '.db')}?mode=ro", uri=True)
        base.row_factory = sqlite3.Row
        self.addCleanup(base.close)
        return base


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates(Case):
    """A test that issues certificates."""

    def make_ca(self, name):
        openssl("req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout",
                self.path(name + ".key"), "-out", self.path(name + ".pem"))

    def issue(self, name, names, *, days="2", ca="ca"):
        """A certificate for these names, and a server's context with it."""
        key, request, cert = (self.path(f"{name}.{end}") for end in ("key", "csr", "crt"))
        self.write(name + ".ext", f"subjectAltName={names}\n")
        openssl("req", *NEW_KEY, "-subj", "/CN=server", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.path(ca + ".pem"), "-CAkey", self.path(ca + ".key"),
                "-CAcreateserial", "-days", days, "-extfile", self.path(name + ".ext"), "-out", cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context


def get_json(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def stats(root):
    return get_json(root + "/stats")


class ScriptedServer:
    """A TCP server that hands each connection to `serve(connection, number)` in a thread of its own; with a TLS
    `context` after the handshake."""

    def __init__(self, serve, host="127.0.0.1", context=None):
        self.serve, self.connections, self.open, self.context = serve, 0, [], context
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family, backlog=512)
        self.port = self.listener.getsockname()[1]
        self.url = "%s://%s:%d" % ("https" if context else "http", f"[{host}]" if ":" in host else host, self.port)
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open.append(connection)
                number = self.connections
            threading.Thread(target=self._one, args=(connection, number), daemon=True).start()

    def _one(self, connection, number):
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.serve(connection, number)
        with contextlib.suppress(OSError):
            connection.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_request(connection):
    """One HTTP request: (request line, headers with lower-case names, body), or None at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    while len(body) < int(headers.get("content-length", 0)):
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    return lines[0], headers, body


def chunked(*pieces):
    """The pieces as HTTP chunks, with the last one."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def event(content=None, finish=None, **more):
    """One chat.completion.chunk as server-sent event."""
    delta = {} if content is None else {"content": content}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: %s\n\n" % json.dumps(chunk).encode()


DONE = b"data: [DONE]\n\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def answer(*events, head=STREAM_HEAD):
    """A whole streamed answer, one HTTP chunk an event."""
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*events)


def plain(body, status="200 OK", content_type="application/json", extra=""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


# What ScriptedServers answer when all is well: the text "Hello world".
GOOD = answer(event("Hello"), event(" world"), event(finish="stop"), DONE)


def sends(data, pause=0.0):
    """A case of run_cases: sends data (bytes, or pieces of bytes) and closes."""
    pieces = [data] if isinstance(data, bytes) else list(data)

    def case(connection, _):
        for piece in pieces:
            connection.sendall(piece)
            if pause:
                time.sleep(pause)
    return case


def wait_read(connection, patience=20):
    """Until the other side, a program of this machine, has taken out of its socket all that was sent to it: what a reset finds
    there unread may be lost, and what has not got there yet is."""
    def name(address):
        return "%08X:%04X" % (struct.unpack("=I", socket.inet_aton(address[0]))[0], address[1])
    ours, theirs = name(connection.getsockname()), name(connection.getpeername())

    def queued(local, remote, which):
        with open("/proc/net/tcp", encoding="ascii") as table:
            for row in table:
                words = row.split()
                if words[1:3] == [local, remote]:
                    return int(words[4].split(":")[which], 16)
        return 0  # it has been closed
    wait_for(lambda: queued(ours, theirs, 0) == 0, patience, "that all got there")
    wait_for(lambda: queued(theirs, ours, 1) == 0, patience, "that all was read")


def reset(connection):
    """Ends a connection by RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def interrupt(process, times=1, number=signal.SIGINT):
    """Sends the signal so many times, each when the one before was taken: of two that wait the kernel keeps one."""
    def taken():
        try:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                pending = re.search(r"^ShdPnd:\s*(\w+)", status.read(), re.MULTILINE)
        except OSError:
            return True
        return not pending or not int(pending.group(1), 16) >> (number - 1) & 1
    for _ in range(times):
        process.send_signal(number)
        wait_for(taken, what="that the signal is taken")


def wait_for(condition, patience=30.0, what="the condition", every=0.02):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"{what} did not come about in {patience} s")
