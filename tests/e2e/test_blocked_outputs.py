"""What the program writes may not be taken: a pipe that nobody reads, a terminal that is held. That hides no Ctrl-C, and
messages hold up no run."""
import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from harness import Case, LLMBENCH, PATIENCE, clean_environment, stats, wait_for

PAGE = 4096


class FullPipe:
    """A pipe that takes nothing more until somebody reads it."""

    def __init__(self):
        self.read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, PAGE)
        os.set_blocking(self.write_end, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.write_end, b"x")
        os.set_blocking(self.write_end, True)

    def read_all(self):
        """What comes until the writers are gone, without the filling."""
        got = b""
        while piece := os.read(self.read_end, 1 << 16):
            got += piece
        return got.lstrip(b"x").decode()

    def close(self):
        os.close(self.read_end)


class Blocked(Case):
    def begin(self, root, *words, **streams):
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
        process = subprocess.Popen([LLMBENCH, "--url", root + "/v1/chat/completions", "--model", "m", "--prompt", "hi", "--name",
                                    "run", *map(str, words)], cwd=self.work, env=clean_environment(), **streams)
        self.addCleanup(self._end, process)
        return process

    def full_pipe(self):
        pipe = FullPipe()
        self.addCleanup(pipe.close)
        return pipe

    def interrupt_until_it_ends(self, process):
        """It waits to write; a Ctrl-C that comes before that only ends the run earlier."""
        time.sleep(0.5)
        self.assertIsNone(process.poll(), "it wrote into a pipe that was full")
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        return process.poll()

    def rows(self):
        with contextlib.closing(sqlite3.connect(self.path("outputs/run.db"))) as base:
            self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
            return base.execute("SELECT count(*) FROM result WHERE success").fetchone()[0]

    def test_a_report_that_nobody_reads(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        pipe = self.full_pipe()
        process = self.begin(root, "-n", 5, stdout=pipe.write_end, stderr=subprocess.PIPE)
        os.close(pipe.write_end)
        wait_for(lambda: stats(root)["requests"]["total"] == 5, PATIENCE)
        self.assertEqual(self.interrupt_until_it_ends(process), 130)
        self.assertIn("could not be written to stdout; the results are in ./outputs/run.db", process.stderr.read().decode())
        self.assertEqual(self.rows(), 5)

    def test_a_report_that_is_read_late(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        pipe = self.full_pipe()
        process = self.begin(root, "-n", 5, "--json", "-", stdout=pipe.write_end)
        os.close(pipe.write_end)
        wait_for(lambda: stats(root)["requests"]["total"] == 5, PATIENCE)
        time.sleep(1.5)
        self.assertEqual(json.loads(pipe.read_all())["counts"]["ok"], 5)
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_a_pipe_by_name(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        os.mkfifo(self.path("pipe"))
        process = self.begin(root, "-n", 5, "--json", "pipe", stderr=subprocess.PIPE)
        wait_for(lambda: stats(root)["requests"]["total"] == 5, PATIENCE)
        self.assertEqual(self.interrupt_until_it_ends(process), 130)
        self.assertIn("cannot write the report to pipe", process.stderr.read().decode())
        self.assertEqual(self.rows(), 5)

    def test_a_pipe_by_name_with_a_late_reader(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        os.mkfifo(self.path("pipe"))
        process = self.begin(root, "-n", 5, "--json", "pipe")
        wait_for(lambda: stats(root)["requests"]["total"] == 5, PATIENCE)
        time.sleep(0.5)
        with open(self.path("pipe"), encoding="utf-8") as pipe:
            self.assertEqual(json.load(pipe)["counts"]["ok"], 5)
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_messages_that_nobody_reads_hold_up_no_run(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        pipe = self.full_pipe()
        process = self.begin(root, "-n", 300, "--log-every-n-query", 1, stderr=pipe.write_end)
        os.close(pipe.write_end)
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(self.rows(), 300)

    def test_messages_that_were_missed_are_counted(self):
        root = self.mock("--ttft", "20ms", "--itl", "1ms", "--tokens", 4)
        pipe = self.full_pipe()
        process = self.begin(root, "-d", "600s", "--log-every-n-query", 1, stderr=pipe.write_end)
        os.close(pipe.write_end)
        wait_for(lambda: stats(root)["requests"]["total"] > 150, PATIENCE)
        said = []
        reader = threading.Thread(target=lambda: said.append(pipe.read_all()))
        reader.start()
        asked = stats(root)["requests"]["total"]
        wait_for(lambda: stats(root)["requests"]["total"] > asked + 100, PATIENCE)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 130)
        reader.join(PATIENCE)
        self.assertRegex(said[0], r"^\nllmbench: [1-9]\d* bytes of messages are missing here\n")
        self.assertIn("\nllmbench: ", said[0][10:])

    def test_debug_waits_for_its_reader(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        pipe = self.full_pipe()
        process = self.begin(root, "-n", 20, "--debug", stderr=pipe.write_end)
        os.close(pipe.write_end)
        time.sleep(2.5)
        self.assertIsNone(process.poll())
        said = pipe.read_all()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertNotIn("are missing", said)
        self.assertEqual(said.count('"messages":'), 20)

    def test_debug_that_nobody_reads(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        pipe = self.full_pipe()
        process = self.begin(root, "-n", 20, "--debug", stderr=pipe.write_end)
        os.close(pipe.write_end)
        self.assertIn(self.interrupt_until_it_ends(process), (130, -signal.SIGINT))


if __name__ == "__main__":
    unittest.main()
