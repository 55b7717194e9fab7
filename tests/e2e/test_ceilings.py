"""Memory stays bounded whatever the server sends."""
import contextlib
import threading
import unittest

from harness import Case, SANITIZED, STREAM_HEAD, ScriptedServer, event, read_request, wait_for

MIB = 1 << 20


def peak_bytes(process):
    """The most that the process had resident so far; None once it is gone."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return None


class Ceilings(Case):
    def run_watched(self, *words):
        """Runs to the end; returns its result and the peak of its resident memory."""
        process = self.spawn("--model", "m", "--prompt", "hi", "--offline", "--name", "run", *words)
        peaks, over = [0], threading.Event()

        def watch():
            while not over.wait(0.01):
                peaks.append(peak_bytes(process) or 0)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            result = self.wait(process)
        finally:
            over.set()
            watcher.join()
        return result, max(peaks)

    def endless(self, piece):
        """Streams that never end, of one piece over and over."""
        def serve(connection, _):
            read_request(connection)
            connection.sendall(STREAM_HEAD + b"\r\n")
            while True:
                connection.sendall(piece)
        return ScriptedServer(serve)

    def test_endless_answers_to_two_hundred_streams(self):
        for name, piece in (("events", event("many words ") * 2000), ("one line", b"x" * 65536)):
            with self.subTest(name), self.endless(piece) as server:
                result, peak = self.run_watched("--url", server.url + "/v1", "--stream", "-c", 200, "-n", 400, "--api",
                                                "openai", "--max-memory", "64MiB", "--name", name[:3])
                self.assertEqual(result.code, 1, result.err)
                self.assertIn("requests and answers on their way had reached --max-memory", result.out + result.err)
                rows = self.database(name[:3]).execute(
                    "SELECT outcome, count(*) AS n FROM result GROUP BY outcome").fetchall()
                self.assertEqual([row["outcome"] for row in rows], ["cancelled"])
                self.assertTrue(0 < rows[0]["n"] <= 200, rows[0]["n"])
                if not SANITIZED:
                    # Beside the ceiling: the program, libcurl's buffers, what the allocator cannot reuse.
                    self.assertLess(peak, 512 * MIB)  # without a ceiling it would be gigabytes
                self.assertGreater(peak, 40 * MIB)

    def test_faults_to_two_hundred_streams(self):
        """bench/soak.sh --fault-memory measures all of them, at a thousand streams."""
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 16)
        for name in ("stall", "huge-event", "huge-body", "header-flood", "hold"):
            with self.subTest(name):
                result, peak = self.run_watched("--url", f"{root}/v1/chat/completions?fault={name}", "--stream", "-c", 200, "-n",
                                                200, "--max-response-bytes", "256K", "--read-timeout", "1500ms",
                                                "--total-timeout", "3s", "--name", name)
                rows = self.database(name).execute("SELECT count(*) FROM result").fetchone()[0]
                self.assertEqual(rows, 200, result.err)
                if not SANITIZED:
                    self.assertLess(peak, 300 * MIB)  # the ceilings allow 50 MiB of answers

    def test_endless_headers_count_as_well(self):
        def serve(connection, _):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for i in range(200):
                connection.sendall(b"x-%d: %s\r\n" % (i, b"y" * 1000))
            wait_for(lambda: over.is_set(), 60)
        over = threading.Event()
        with ScriptedServer(serve) as server:
            result, _ = self.run_watched("--url", server.url + "/v1", "-c", 200, "-n", 200, "--max-memory", "16MiB")
            over.set()
        self.assertIn("had reached --max-memory", result.out + result.err)


if __name__ == "__main__":
    unittest.main()
