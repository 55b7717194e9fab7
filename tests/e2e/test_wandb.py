"""Logging to Weights & Biases, against a stand-in that keeps what it is told. The real service is not tried here."""
import base64
import contextlib
import http.server
import json
import os
import re
import signal
import socket
import threading
import time
import unittest

from harness import Case, judged_by_the_clock, wait_for

KEY = "wandb-secret-key-0123456789"
RUNNING = {"Time", "concurrency", "completed", "succeed", "failed", "qps", "latency", "time to first token",
           "throughput(output tokens per second)", "time per output token", "package per request", "time per package",
           "input tokens per request", "output tokens per request", "_step", "_runtime", "_timestamp"}
SLACK = 20  # seconds that starting and ending may take


class StandIn:
    """A service that creates runs of entity "me" and takes their files. `respond(number, path)` returns a status, or
    "no" for an error inside a 200, and may wait."""

    def __init__(self, respond=None):
        self.posts, self.respond, self.lock = [], respond or (lambda number, path: 200), threading.Lock()
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with stand_in.lock:
                    number = len(stand_in.posts)
                    stand_in.posts.append((self.path, dict(self.headers), body))
                status = stand_in.respond(number, self.path)
                answer = {"exitcode": None}
                if self.path.endswith("/graphql"):
                    run = {"name": body["variables"]["name"],
                           "project": {"name": body["variables"]["project"], "entity": {"name": "me"}}}
                    answer = {"data": {"upsertBucket": {"bucket": run, "inserted": True}}}
                if status != 200:
                    answer = {"errors": [{"message": "unknown key " + KEY}], "data": None}
                    status = 200 if status == "no" else status
                text = json.dumps(answer).encode()
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass

            def get_request(self):
                connection, address = super().get_request()
                connections.append(connection)
                return connection, address

        connections = self.connections = []
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        self.closed = False

    def close(self):
        if self.closed:
            return
        self.closed = True
        self.server.shutdown()
        self.server.socket.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def lines(self):
        """The history put together as the service does: content goes where its offset says."""
        found = {}
        for path, _, body in self.posts:
            history = body.get("files", {}).get("wandb-history.jsonl")
            for i, line in enumerate(history["content"] if history else []):
                found[history["offset"] + i] = json.loads(line)
        return [found[i] for i in sorted(found)]

    def completes(self):
        return [body for _, _, body in self.posts if body.get("complete")]


class Wandb(Case):
    def stand_in(self, respond=None):
        service = StandIn(respond)
        self.addCleanup(service.close)
        return service

    def job(self, url, *words, key=True, mock=("--ttft", "200ms", "--itl", "20ms", "--tokens", 10), env=None, **more):
        root = self.mock(*mock)
        words = (*words, "--wandb-api-key", KEY) if key else words
        begin = time.monotonic()
        report, result = self.run_against(root, "--stream", *words, env={"WANDB_BASE_URL": url, **(env or {})}, **more)
        self.took = time.monotonic() - begin
        self.no_key(result.out, result.err)
        return report, result

    def no_key(self, *texts):
        """Neither printed nor in any file, plain or as it travels."""
        texts = [text.encode() for text in texts]
        for folder, _, files in os.walk(self.work):
            for name in files:
                with open(os.path.join(folder, name), "rb") as data:
                    texts.append(data.read())
        for text in texts:
            for secret in (KEY.encode(), base64.b64encode(b"api:" + KEY.encode())):
                self.assertNotIn(secret, text)

    def warnings(self, result):
        return [line for line in result.err.splitlines() if "warning" in line and "wandb" in line]

    def untouched(self, report, result, number):
        """The benchmark is what it would have been without."""
        self.assertEqual(report["counts"]["ok"], number)
        self.assertIn("Succeed requests", result.out)
        rows = self.database().execute("SELECT count(*) FROM result WHERE success=1").fetchone()[0]
        self.assertEqual(rows, number)

    @judged_by_the_clock
    def test_normal(self):
        service = self.stand_in()
        report, result = self.job(service.url + "/", "-n", 60, "-c", 4, "--desc", "why")
        self.untouched(report, result, 60)
        self.assertEqual(self.warnings(result), [])
        path, headers, body = service.posts[0]
        self.assertEqual(path, "/graphql")
        self.assertEqual(headers["Authorization"], "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode())
        self.assertIn("upsertBucket(input: {", body["query"])
        variables = body["variables"]
        self.assertEqual((variables["project"], variables["displayName"], variables["notes"]), ("perf_benchmark", "run", "why"))
        self.assertRegex(variables["name"], "^[a-z0-9]{8}$")
        config = json.loads(variables["config"])
        self.assertEqual(config["model"]["value"], "m")
        self.assertIn(str(config["parallel"]["value"]), ("4", "[4]"))
        self.assertNotIn("url", config)
        self.assertNotIn("prompt", config)
        run = variables["name"]
        for path, headers, _ in service.posts[1:]:
            self.assertEqual(path, f"/files/me/perf_benchmark/{run}/file_stream")
            self.assertIn("Authorization", headers)
        self.assertIn(f"wandb: {service.url}/me/perf_benchmark/runs/{run}", result.err)

        lines = service.lines()
        self.assertGreaterEqual(len(lines), 4)
        self.assertEqual([line["_step"] for line in lines], list(range(len(lines))))
        for line in lines:
            self.assertLessEqual(set(line), RUNNING)
        self.assertEqual(set(lines[-1]), RUNNING)
        done = [line["completed"] for line in lines]
        self.assertEqual(done, sorted(set(done)), "a line only when requests have ended since the last")
        self.assertEqual(done[-1], 60)
        seconds = [line["_runtime"] for line in lines]
        self.assertTrue(all(b - a >= 0.9 for a, b in zip(seconds, seconds[1:-1])), seconds)
        self.assertLess(abs(lines[-1]["_timestamp"] - time.time()), 60)
        self.assertAlmostEqual(lines[-1]["latency"], report["metrics"]["latency"]["mean"], places=6)
        self.assertGreaterEqual(len([1 for _, _, body in service.posts if "wandb-history.jsonl" in body.get("files", {})]), 2,
                                "it is sent while the run goes on")

        self.assertEqual(len(service.completes()), 1)
        last = service.posts[-1][2]
        self.assertEqual((last["complete"], last["exitcode"], last["dropped"]), (True, 0, 0))
        summary = json.loads(last["files"]["wandb-summary.json"]["content"][0])
        self.assertEqual(summary["succeed"], 60)
        self.assertAlmostEqual(summary["ttft_p99"], report["metrics"]["ttft"]["p99"], places=9)
        self.assertAlmostEqual(summary["output_throughput"], report["metrics"]["output_throughput"]["value"], places=6)

    @judged_by_the_clock
    def test_stages(self):
        service = self.stand_in()
        self.job(service.url, "-n", 12, "--parallel", 2, 4, "--sleep-interval", "0.1s")
        lines = service.lines()
        self.assertEqual([line["_step"] for line in lines], list(range(len(lines))))
        self.assertEqual(sorted({(line["stage"], line["concurrency"]) for line in lines}), [(0, 2), (1, 4)])
        for stage in (0, 1):
            done = [line["completed"] for line in lines if line["stage"] == stage]
            self.assertEqual((done[-1], done), (12, sorted(set(done))))
        runtimes = [line["_runtime"] for line in lines]
        self.assertEqual(runtimes, sorted(runtimes), "time goes on from stage to stage")
        self.assertEqual(len(service.completes()), 1)
        summary = json.loads(service.posts[-1][2]["files"]["wandb-summary.json"]["content"][0])
        self.assertGreater(summary["stage2_request_throughput"], 1.2 * summary["stage1_request_throughput"])

    def test_key_from_the_environment(self):
        service = self.stand_in()
        env = {"WANDB_API_KEY": KEY}
        self.job(service.url, "-n", 1, key=False, env=env)
        self.assertEqual(service.posts, [], "the variable by itself turns nothing on")
        _, result = self.job(service.url, "-n", 1, "--wandb", "--wandb-project", "p/1 ä", "--name", "b", key=False, env=env)
        self.assertEqual(service.posts[0][2]["variables"]["project"], "p/1 ä")
        self.assertEqual(service.posts[0][2]["variables"]["displayName"], "b")
        self.assertRegex(service.posts[-1][0], r"^/files/me/p%2F1%20%C3%A4/\w+/file_stream$")
        self.assertEqual(len(service.completes()), 1)

    def test_refused_options(self):
        cases = ((("--wandb",), {}, "--wandb needs a key"),
                 (("--wandb-api-key", ""), {"WANDB_API_KEY": KEY}, "--wandb needs a key"),
                 (("--wandb-api-key", KEY, "--wandb-project", ""), {}, "--wandb-project is empty"),
                 (("--wandb-api-key", KEY), {"WANDB_BASE_URL": "localhost:1"}, "WANDB_BASE_URL"))
        for words, env, sentence in cases:
            result = self.llmbench("--url", "http://127.0.0.1:9", "--model", "m", *words, env=env, expect=2)
            self.assertIn(sentence, result.err)
            self.no_key(result.out, result.err)

    def test_no_run_without_a_target(self):
        """A dead target leaves no run there either."""
        service = self.stand_in()
        result = self.llmbench("--url", "http://127.0.0.1:9/v1", "--model", "m", "--offline", "--wandb-api-key", KEY,
                               env={"WANDB_BASE_URL": service.url}, expect=3)
        self.assertNotIn("wandb", result.err)
        self.assertEqual(service.posts, [])

    def test_refused_key(self):
        service = self.stand_in(lambda number, path: 401)
        report, result = self.job(service.url, "-n", 6)
        self.untouched(report, result, 6)
        self.assertEqual(len(self.warnings(result)), 1, result.err)
        self.assertIn("HTTP 401 (is the key right?)", self.warnings(result)[0])
        self.assertEqual(len(service.posts), 1, "a refusal is not tried again")

    def test_dead(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = "http://127.0.0.1:%d" % listener.getsockname()[1]
        report, result = self.job(url, "-n", 2)
        self.untouched(report, result, 2)
        self.assertEqual(len(self.warnings(result)), 1, result.err)
        self.assertIn("in each of 4 tries", self.warnings(result)[0])
        self.assertLess(self.took, 10 + SLACK)

    def test_trouble_that_passes(self):
        service = self.stand_in(lambda number, path: 503 if number in (0, 2) else 200)
        report, result = self.job(service.url, "-n", 20, "-c", 4)
        self.untouched(report, result, 20)
        self.assertEqual(self.warnings(result), [])
        self.assertEqual(service.lines()[-1]["completed"], 20)
        self.assertEqual(len(service.completes()), 1)

    @judged_by_the_clock
    def test_slow(self):
        service = self.stand_in(lambda number, path: time.sleep(2) or 200)
        report, result = self.job(service.url, "-n", 20, "-c", 4)
        self.untouched(report, result, 20)
        self.assertEqual(self.warnings(result), [])
        self.assertEqual(service.lines()[-1]["completed"], 20)
        self.assertEqual(service.completes()[0]["exitcode"], 0)
        self.assertLess(report["window"]["seconds"], 4, "the run does not wait for it")

    def test_silent(self):
        """It accepts and never answers: at most ten seconds at the end."""
        released = threading.Event()
        self.addCleanup(released.set)
        service = self.stand_in(lambda number, path: 200 if released.wait(60) else 200)
        report, result = self.job(service.url, "-n", 2)
        self.untouched(report, result, 2)
        self.assertEqual(len(self.warnings(result)), 1, result.err)
        self.assertLess(self.took, 10 + report["window"]["seconds"] + SLACK)

    @judged_by_the_clock
    def test_interrupt_ends_the_wait(self):
        released = threading.Event()
        self.addCleanup(released.set)
        service = self.stand_in(lambda number, path: 200 if released.wait(60) else 200)
        root = self.mock("--ttft", "10ms")
        process = self.spawn("--url", root + "/v1/chat/completions", "--model", "m", "--offline", "-n", "1", "--wandb-api-key", KEY,
                             env={"WANDB_BASE_URL": service.url})
        for line in process.stdout:
            if line.startswith(b"Verdict"):
                break
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        result = self.wait(process)
        self.assertLess(time.monotonic() - begin, 8, "and not ten")
        self.assertEqual(len(self.warnings(result)), 1, result.err)

    def test_refused_with_200(self):
        """GraphQL says no with status 200; what it repeats of the key is not repeated."""
        service = self.stand_in(lambda number, path: "no")
        report, result = self.job(service.url, "-n", 2)
        self.untouched(report, result, 2)
        self.assertEqual(len(self.warnings(result)), 1, result.err)
        self.assertIn("the run was not created: unknown key [redacted]", self.warnings(result)[0])

    @judged_by_the_clock
    def test_dies_in_the_middle(self):
        service = self.stand_in()

        def killer():
            wait_for(service.lines, what="the first line")
            service.close()
        thread = threading.Thread(target=killer)
        thread.start()
        report, result = self.job(service.url, "-n", 60, "-c", 4)
        thread.join()
        self.untouched(report, result, 60)
        self.assertEqual(len(self.warnings(result)), 1, result.err)
        self.assertEqual(service.completes(), [])

    def test_killed_in_the_middle(self):
        """What was sent until then is there; without its last post the service takes the run for crashed."""
        service = self.stand_in()
        root = self.mock("--ttft", "200ms")
        process = self.spawn("--url", root + "/v1/chat/completions", "--model", "m", "--offline", "-d", "60s", "--name", "run",
                             "--wandb-api-key", KEY, env={"WANDB_BASE_URL": service.url})
        wait_for(service.lines, what="the first line")
        process.kill()
        process.wait()
        self.assertEqual(service.completes(), [])

    def test_interrupted(self):
        service = self.stand_in()
        root = self.mock("--ttft", "200ms")
        process = self.spawn("--url", root + "/v1/chat/completions", "--model", "m", "--offline", "-d", "60s", "--name", "run",
                             "--wandb-api-key", KEY, env={"WANDB_BASE_URL": service.url})
        wait_for(service.lines, what="the first line")
        process.send_signal(signal.SIGINT)
        result = self.wait(process)
        self.assertEqual(result.code, 130)
        self.assertEqual(service.completes()[0]["exitcode"], 130)
        self.assertTrue(re.search("Succeed requests", result.out))


if __name__ == "__main__":
    unittest.main()
