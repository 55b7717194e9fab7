"""What bench/scripts.sh does."""
import contextlib
import http.client
import http.server
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import threading

TOKENS = 200
WORDS = ["--model", "m", "--stream", "--max-tokens", str(TOKENS), "--prompt", "Why is the sky blue? " * 20]
BEGIN = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n"


def framed(*objects):
    texts = [json.dumps(item).encode() for item in objects]
    return b"".join(struct.pack(">I", len(text)) + text for text in texts)


# What is measured, its words, and the dialect of the mock that answers, or the answer itself.
SCRIPTS = [(name, ["--api", name], name) for name in ("openai", "dashscope", "zhipu", "qianfan", "trtllm", "tgi", "custom")] + [
    ("examples/02-ndjson-ollama", None, "ollama"),
    ("examples/03-anthropic-messages", None, "anthropic"),
    ("examples/08-custom-metric", None, "openai"),
    ("examples/10-own-framing", None, BEGIN % b"application/octet-stream"
     + framed(*[{"piece": f" w{i}"} for i in range(TOKENS)], {"last": True})),
]


class Recorder(http.server.BaseHTTPRequestHandler):
    """Hands each request on to the mock and keeps the last answer."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        upstream = http.client.HTTPConnection(self.server.mock)
        upstream.request("POST", self.path, body, {name: value for name, value in self.headers.items() if name != "Host"})
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        kind = answer.getheader("Content-Type")
        self.server.answer = BEGIN % kind.encode() + data
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def mock(program, dialect):
    process = subprocess.Popen([program, "mock", "--port", "0", "--dialect", dialect, "--ttft", "0", "--itl", "0", "--tokens", str(TOKENS)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield re.search(r"http://([\d.]+:\d+)", process.stdout.readline().decode()).group(1)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def record(program, words, address, folder):
    """The mock's answer to what the script sends."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Recorder)
    server.mock, server.answer = address, None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    subprocess.run([program, *words, *WORDS, "--url", f"http://127.0.0.1:{server.server_port}", "-q", "-n", "1", "--outputs-dir",
                    os.path.join(folder, "outputs")], check=True, stdout=subprocess.DEVNULL)
    server.shutdown()
    return server.answer


def measure(folder, rounds, name, words, source, work):
    """(µs a request, µs an event, events of an answer, bytes of a body), medians."""
    program = os.path.join(folder, "llmbench")
    with contextlib.ExitStack() as stack:
        address = "127.0.0.1:9"
        answer = source
        if isinstance(source, str):
            address = stack.enter_context(mock(program, source))
            answer = record(program, words, address, work)
        path = os.path.join(work, "answer")
        with open(path, "wb") as out:
            out.write(answer)
        results = []
        for _ in range(rounds):
            done = subprocess.run([os.path.join(folder, "bench", "bench_scripts"), "1000", *words, *WORDS, "--url", f"http://{address}",
                                   "--replay", path], check=True, stdout=subprocess.PIPE)
            results.append(json.loads(done.stdout))
    wrong = {result["outcome"] for result in results} - {"ok"}
    if wrong:
        sys.exit(f"scripts: {name}: the answer was read as {wrong}")
    return (statistics.median(r["compose_ns"] / r["rounds"] for r in results) / 1000,
            statistics.median(r["score_ns"] / r["events"] for r in results) / 1000,
            results[0]["events"] // results[0]["rounds"], results[0]["body_bytes"])


def main():
    folder, rounds = sys.argv[1], int(sys.argv[2])
    print("| script | requests/s | µs a request | events/s | µs an event | events of the answer | bytes of the body |")
    print("|---|---|---|---|---|---|---|")
    for name, words, source in SCRIPTS:
        words = words or ["-s", name + ".lua", "--api-key", "the-key-of-a-user"]
        if name == "qianfan":
            words = [*words, "--api-key", "the-key-of-a-user:the-secret-of-a-user"]
        with tempfile.TemporaryDirectory() as work:
            compose, score, events, size = measure(folder, rounds, name, words, source, work)
        print(f"| {name} | {1e6 / compose:,.0f} | {compose:.1f} | {1e6 / score:,.0f} | {score:.2f} | {events} | {size} |", flush=True)


if __name__ == "__main__":
    main()
