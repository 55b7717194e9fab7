"""--wait-ready: a server that is still starting is waited for, and nothing else tells of the wait."""
import os
import signal
import socket
import threading
import time
import unittest

from harness import Case, GOOD, PATIENCE, ScriptedServer, plain, read_request, wait_for

JOB = ("--api", "openai", "--prompt", "x", "--model", "m", "--offline", "--stream", "--name", "run")


class WaitReady(Case):
    def serve(self, *statuses):
        """Answers the first GETs with these, later ones well."""
        left = list(statuses)
        self.asked = []

        def serve(connection, _):
            while request := read_request(connection):
                self.asked.append(request[0])
                if request[0].startswith("POST"):
                    connection.sendall(GOOD)
                else:
                    connection.sendall(plain({"error": {"message": "Loading model"}}, left.pop(0) if left else "200 OK"))
        return ScriptedServer(serve)

    def go(self, url, *words, expect=0):
        self.report, self.result = self.run_against(url, "--prompt", "x", "--stream", "-n", 3, *words, dataset=None,
                                                    expect=expect)

    def test_loading(self):
        with self.serve("503 Service Unavailable", "502 Bad Gateway", "504 Gateway Timeout") as server:
            self.go(server.url, "--wait-ready", "60s")
        self.assertEqual([line.split()[0] for line in self.asked], ["GET"] * 4 + ["POST"] * 3)
        self.assertEqual(self.asked[0], "GET /health HTTP/1.1")
        waited = self.report["run"]["ready_wait_s"]
        self.assertGreaterEqual(waited, 1.4)  # three pauses of half a second
        self.assertEqual(self.report["counts"]["due"], 3)
        self.assertLess(self.report["window"]["seconds"], waited)
        self.assertRegex(self.result.out, r"Waited for the server +[\d.]+ s before the start, 4 requests that count nowhere")
        self.assertRegex(self.result.err, r"the server was ready after [\d.]+ s \(4 requests\)")
        self.assertEqual(self.database().execute("SELECT count(*) FROM result").fetchone()[0], 3)

    def test_any_other_answer_is_ready(self):
        for status in ("404 Not Found", "401 Unauthorized", "500 Oh", "429 Busy", "200 OK"):
            with self.subTest(status), self.serve(status) as server:
                self.go(server.url, "--wait-ready", "60s", "--wait-ready-path", "/up?a=b", "--name", status[:3])
                self.assertEqual([line.split()[:2] for line in self.asked][:2], [["GET", "/up?a=b"], ["POST", "/v1/chat/completions"]])

    def test_refused_until_it_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as held:  # then nobody listens there, and nobody else gets it
            port = held.getsockname()[1]
        process = self.spawn(*JOB, "--url", f"http://127.0.0.1:{port}", "--wait-ready", "60s")
        time.sleep(1)
        self.assertIsNone(process.poll())
        root = self.mock("--port", port, "--ttft", "1ms", "--itl", "0", "--tokens", 1)
        result = self.wait(process)
        self.assertIn(f":{port}", root)
        self.assertEqual(result.code, 0, result.err)

    def refused(self, url, *words, part):
        begun = time.monotonic()
        result = self.llmbench(*JOB, "--url", url, *words, expect=3)
        self.assertEqual(len(result.err.splitlines()), 1, result.err)
        self.assertIn(part, result.err)
        self.assertFalse(os.path.exists(self.path("outputs")))
        return time.monotonic() - begun

    def test_never(self):
        with self.serve(*["503 Loading"] * 100) as server:
            took = self.refused(server.url, "--wait-ready", "1s", part="(--wait-ready): " + server.url + "/health is not ready: HTTP 503")
            self.assertGreaterEqual(took, 1)
        self.assertGreaterEqual(len(self.asked), 2)
        with ScriptedServer(lambda connection, _: time.sleep(5)) as silent:
            took = self.refused(silent.url, "--wait-ready", "500ms", part="is not ready: ")
            self.assertGreaterEqual(took, 0.5)

    def test_without_it_a_dead_server_ends_it_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        self.refused(f"http://127.0.0.1:{port}/", part="connection refused")
        self.refused("http://no-such-host.invalid/", part="cannot reach http://no-such-host.invalid:80/")

    def test_an_interrupt_ends_the_wait(self):
        over = threading.Event()
        for name, server in (("loading", self.serve(*["503 Loading"] * 10000)),
                             ("silent", ScriptedServer(lambda connection, _: over.wait(PATIENCE)))):
            with self.subTest(name), server:
                process = self.spawn(*JOB, "--url", server.url, "--wait-ready", "1h")
                wait_for(lambda server=server: server.connections > 0)
                process.send_signal(signal.SIGINT)
                begun = time.monotonic()
                result = self.wait(process)
                self.assertLess(time.monotonic() - begun, 10)
                self.assertEqual((result.code, result.out), (130, ""), result.err)
                self.assertFalse(os.path.exists(self.path("outputs")))
        over.set()

    def test_bad_words(self):
        for words, part in ((("--wait-ready-path", "health"), "a path begins with /"), (("--wait-ready", "soon"), "not a duration")):
            self.assertIn(part, self.llmbench(*JOB, "--url", "http://127.0.0.1:9/", *words, expect=2).err)


if __name__ == "__main__":
    unittest.main()
