"""--preconnect: connections are open when the stage begins, and nothing else tells of the requests that opened them."""
import signal
import threading
import time
import unittest

from harness import Case, GOOD, ScriptedServer, plain, read_request, stats, wait_for
from recompute import Recomputed, compare_report

FAST = ("--ttft", "1ms", "--itl", "0", "--tokens", 1)


class Preconnect(Case):
    def run_so(self, url, *words, expect=0):
        self.report, self.result = self.run_against(url, "--preconnect", *words, expect=expect)
        self.trust = (self.report["stages"][-1] if "stages" in self.report else self.report)["trust"]
        return (self.trust["preconnect_asked"], self.trust["preconnected"])

    def rows(self):
        return self.database().execute("SELECT * FROM result ORDER BY started_ns").fetchall()

    def test_the_first_requests_find_kept_connections(self):
        for name, words, number in (("one worker", ("-c", 100), 100), ("three workers", ("-c", 100, "-t", 3), 100),
                                    ("more than a handle holds", ("-c", 600), 600),
                                    ("a cap", ("--rate", 500, "-c", 80), 80)):
            with self.subTest(name):
                root = self.mock("--ttft", "100ms", "--itl", "0", "--tokens", 1)
                path = name.replace(" ", "-")
                got = self.run_so(root, *words, "-n", 700, "--preconnect-path", "/health", "--name", path)
                self.assertEqual(got, (number, number))
                self.assertIn(f"{number} of {number} connections, by a request each", self.result.out)
                seen = stats(root)
                self.assertEqual(seen["requests"]["total"], 700)
                # The probe, the connections, and that of the question.
                self.assertEqual(seen["connections"]["accepted"], number + 2)
                counted = self.database(path).execute("SELECT count(*), sum(reused), sum(connected_ns) FROM result").fetchone()
                self.assertEqual(tuple(counted), (700, 700, None))
                if "--rate" not in words:
                    # What is in flight is counted down when an end is handled, a moment after it came.
                    wrong = compare_report(Recomputed(self.database(path)), self.report).wrong
                    self.assertEqual([line for line in wrong if "max_concurrency" not in line], [])

    def test_each_stage_opens_its_own(self):
        root = self.mock(*FAST)
        self.assertEqual(self.run_so(root, "-c", 2, 3, "-n", 10, "--sleep-interval", "0s"), (3, 3))
        for stage in self.database().execute("SELECT trust FROM stage ORDER BY id"):
            self.assertIn('"preconnected":', stage["trust"])
        self.assertEqual(sum(row["reused"] for row in self.rows()), 20)

    def test_without_it_none_is_opened(self):
        report, result = self.run_against(self.mock(*FAST), "-c", 4, "-n", 4)
        self.assertEqual((report["trust"]["preconnect_asked"], report["trust"]["preconnected"]), (0, 0))
        self.assertNotIn("Opened before the start", result.out)

    def serve(self, first):
        """Answers GET by `first`, which says whether the connection lives on, and POST well."""
        def serve(connection, _):
            while request := read_request(connection):
                self.asked.append(request[0])
                if request[0].startswith("POST"):
                    connection.sendall(GOOD)
                elif not first(connection):
                    return
        self.asked = []
        return ScriptedServer(serve)

    def test_servers_that_do_not_keep_connections(self):
        def said(connection):
            connection.sendall(plain("no", status="404 Not Found", extra="Connection: close\r\n"))

        def silently(connection):
            connection.sendall(plain("no", status="404 Not Found"))

        def at_once(_):
            return False
        for name, first in (("said", said), ("silently", silently), ("at once", at_once)):
            with self.subTest(name), self.serve(first) as server:
                asked, opened = self.run_so(server.url, "-c", 4, "-n", 8, "--stream", "--name", name.replace(" ", ""))
                self.assertEqual(asked, 4)
                # A close that is not announced may come after the count, for any of them.
                self.assertLessEqual(opened, 0 if name != "silently" else 4)
                self.assertEqual("connections were open when the stage began" in " ".join(self.report["verdict"]["remarks"]),
                                 opened < asked)
                self.assertEqual(self.report["counts"]["ok"], 8)
                self.assertEqual(sum(line == "GET / HTTP/1.1" for line in self.asked), 4)

    def test_any_answer_will_do(self):
        def first(connection):
            connection.sendall(plain("no", status="500 Internal Server Error"))
            return True
        with self.serve(first) as server:
            self.assertEqual(self.run_so(server.url, "-c", 4, "-n", 8, "--stream"), (4, 4))
        self.assertEqual(sum(row["reused"] for row in self.rows()), 8)

    def test_a_server_that_does_not_answer_is_not_waited_for(self):
        over = threading.Event()
        with self.serve(lambda _: over.wait(60)) as server:
            begun = time.monotonic()
            asked, opened = self.run_so(server.url, "-c", 3, "-n", 3, "--stream")
            self.assertTrue(9 < time.monotonic() - begun < 50)
            over.set()
        self.assertEqual((asked, opened), (3, 0))
        self.assertIn("GET " + server.url + "/: no answer in time", self.result.err)
        self.assertEqual(self.report["counts"]["ok"], 3)
        self.assertLess(self.report["window"]["seconds"], 8)

    def test_an_interrupt_ends_the_wait(self):
        over = threading.Event()
        with self.serve(lambda _: over.wait(60)) as server:
            process = self.spawn("--url", server.url + "/v1", "--model", "m", "--prompt", "hi", "-c", 3, "-n", 3,
                                 "--preconnect")
            wait_for(lambda: len(self.asked) == 3)
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            result = self.wait(process)
            self.assertLess(time.monotonic() - begun, 8)
            over.set()
        self.assertEqual(result.code, 130, result.err)
        self.assertNotIn("no answer in time", result.err)
        self.assertEqual({line.split()[0] for line in self.asked}, {"GET"})

    def test_bad_words(self):
        for words, sentence in ((("--preconnect", "--rate", 5), "give --parallel too"),
                                (("--preconnect-path", "health"), "a path begins with /"),
                                (("--preconnect-path", "/a b"), "has no blanks")):
            result = self.llmbench("--url", "http://127.0.0.1:9/v1", "--model", "m", *words, expect=2)
            self.assertIn(sentence, result.err)


if __name__ == "__main__":
    unittest.main()
