"""Ctrl-C, SIGTERM and SIGUSR1 wherever a run may be, and standard descriptors that are closed."""
import os
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

from harness import Case, GOOD, LLMBENCH, PATIENCE, ScriptedServer, clean_environment, read_request, wait_for

STUCK = """
local api = require "apis.openai"
function api.read_event(data, name, ctx) while true do end end
return api"""
MAIN_HOOK = """
local api, log = require "apis.openai", require "log"
function api.%s() log.info("in the hook") %s while true do end end
return api"""
SETUP = """
local api = require "apis.openai"
function api.setup() return require("http").request{ url = "%s/token" }.status end
return api"""


class Signals(Case):
    def begin(self, url, *words, **more):
        return self.spawn("--url", url, "--model", "m", "--name", "run", "--stream", *words, **more)

    def silent(self, answered=0):
        """Answers so many requests and is silent from then on."""
        self.over, self.asked = threading.Event(), []
        self.addCleanup(self.over.set)

        def serve(connection, _):
            while request := read_request(connection):
                self.asked.append(request[0])
                if len(self.asked) > answered:
                    self.over.wait(PATIENCE)
                    return
                connection.sendall(GOOD)
        server = self.stack.enter_context(ScriptedServer(serve))
        return server.url

    def told(self, process, text):
        """Reads stderr until it has said so."""
        lines = []
        while text not in "".join(lines):
            line = process.stderr.readline().decode(errors="replace")
            self.assertTrue(line, f"no '{text}' in {lines}")
            lines.append(line)

    def database_is_whole(self, rows):
        base = sqlite3.connect(self.path("outputs/run.db"))
        self.addCleanup(base.close)
        self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        self.assertEqual(base.execute("SELECT count(*) FROM result").fetchone()[0], rows)
        return base.execute("SELECT end_reason FROM run").fetchone()[0]

    def test_the_second_cancels(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                url = self.silent(answered=3)
                process = self.begin(url, "--prompt", "hi", "-n", 100, "-c", 2)
                wait_for(lambda: len(self.asked) >= 5)
                process.send_signal(number)
                self.told(process, "no more requests are started; waiting for 2 in flight")
                process.send_signal(number)
                result = self.wait(process)
                self.assertEqual(result.code, 130)
                self.assertIn("3 ok + 0 failed + 2 cancelled", result.out)
                self.assertEqual(self.database_is_whole(5), "interrupted")
                os.unlink(self.path("outputs/run.db"))

    def test_the_third_leaves_with_a_whole_database(self):
        """Nothing else would end it: the hook never returns, and its limit has been taken away."""
        script = self.write("stuck.lua", STUCK)
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                url = self.silent(answered=1000)
                process = self.begin(url, "--script", script, "--prompt", "hi", "-n", 8, "-c", 2, "--hook-timeout", 0)
                wait_for(lambda: len(self.asked) >= 8)
                process.send_signal(number)
                self.told(process, "no more requests are started")
                process.send_signal(number)
                self.told(process, "cancelling what is in flight")
                process.send_signal(number)
                result = self.wait(process)
                self.assertEqual(result.code, 130)
                self.assertIn("left at the third interrupt", result.err)
                self.assertNotIn("Succeed requests", result.out)
                self.assertIsNone(self.database_is_whole(0), "the run has no end")
                os.unlink(self.path("outputs/run.db"))

    def test_in_a_hook_of_main(self):
        """Which is where signals are heard; also in compiled Lua, which nothing can interrupt."""
        for hook, number, more in (("done", signal.SIGINT, ""), ("interval", signal.SIGTERM, ""),
                                   ("done", signal.SIGTERM, "jit.on()")):
            with self.subTest(f"{hook} {number.name} {more}"):
                script = self.write("main.lua", MAIN_HOOK % (hook, more))
                load = ("-n", 3) if hook == "done" else ("-d", "60s", "--grace", 0)
                process = self.begin(self.silent(answered=4), "--script", script, "--prompt", "hi", *load,
                                     "--hook-timeout", 0)
                self.told(process, "in the hook")
                process.send_signal(number)
                result = self.wait(process)
                self.assertEqual(result.code, 130, result.err)
                self.assertEqual("Succeed requests" in result.out, not more)
                os.unlink(self.path("outputs/run.db"))

    def ends_before_the_run(self, process, number=signal.SIGINT):
        process.send_signal(number)
        begun = time.monotonic()
        result = self.wait(process)
        self.assertLess(time.monotonic() - begun, 10)
        self.assertEqual(result.code, 130, result.err)
        self.assertEqual(result.out, "")
        self.assertFalse(os.path.exists(self.path("outputs/run.db")))

    def test_during_a_request_of_setup(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                url = self.silent()
                process = self.begin(url, "--script", self.write("setup.lua", SETUP % url), "--prompt", "hi")
                wait_for(lambda: self.asked)
                self.ends_before_the_run(process, number)

    def test_during_a_download(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                url = self.silent()
                hub = {"MODELSCOPE_ENDPOINT": url, "HF_ENDPOINT": url, "XDG_CACHE_HOME": self.path("cache")}
                process = self.begin(url, "--dataset", "openqa", env=hub)
                wait_for(lambda: self.asked)
                self.ends_before_the_run(process, number)

    def test_while_data_do_not_come(self):
        """A pipe that nobody writes to."""
        os.mkfifo(self.path("pipe"))
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                process = self.begin(self.silent(), "--dataset", "line_by_line", "--dataset-path", "pipe")
                time.sleep(1)  # it has to be there, which nothing tells
                self.ends_before_the_run(process, number)

    def test_sigusr1(self):
        url = self.silent(answered=7)
        process = self.begin(url, "--prompt", "hi", "-n", 4, "-c", 1, 2, "--sleep-interval", "60s", "--json", "-",
                             "--report", "none", "--quiet")
        wait_for(lambda: len(self.asked) == 4)
        wait_for(lambda: b"parallel" in self.after_usr1(process), what="a table")
        self.assertRegex(self.table, r"^llmbench: stage 1 of 2 \(1 parallel\), (running|draining|the next follows): [\d.]+ s, "
                         r"[34] started, [\d]+ ok, 0 failed, 0 cancelled, [01] in flight\n  Time ")
        self.assertEqual(len(self.table.splitlines()), 15)
        wait_for(lambda: b"the next follows" in self.after_usr1(process), what="the pause")
        self.assertRegex(self.table, r"4 started, 4 ok")
        process.send_signal(signal.SIGINT)
        result = self.wait(process)
        self.assertEqual((result.code, result.err), (130, ""))
        self.assertTrue(result.out.startswith("{"), "stdout holds the JSON alone")

    def after_usr1(self, process):
        process.send_signal(signal.SIGUSR1)
        lines = [process.stderr.readline() for _ in range(15)]
        self.table = b"".join(lines).decode()
        return lines[0]

    def test_sigusr1_while_options_are_read(self):
        os.mkfifo(self.path("text"))
        process = self.begin(self.silent(answered=9), "--prompt", "@text", "-n", 1)
        with open(self.path("text"), "w", encoding="utf-8") as text:  # once it has opened it, too
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            self.assertIsNone(process.poll())
            text.write("hi")
        self.assertEqual(self.wait(process).code, 0)

    def test_sigusr1_before_the_run_ends_nothing(self):
        url = self.silent()
        process = self.begin(url, "--script", self.write("setup.lua", SETUP % url), "--prompt", "hi", "-n", 1)
        wait_for(lambda: self.asked)
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        self.assertIsNone(process.poll())
        self.ends_before_the_run(process)


class Closed(Case):
    """Descriptors 0 to 2, which a file or a socket must not get."""

    def test_all_of_them(self):
        def serve(connection, _):
            while request := read_request(connection):
                self.requests.append(request)
                connection.sendall(GOOD)
        self.requests = []
        for closed in ((1,), (2,), (1, 2), (0, 1, 2)):
            name = "run" + "".join(map(str, closed))
            with self.subTest(name), ScriptedServer(serve) as server:
                code = self.run_without(closed, server.url, name)
                self.assertEqual(code, 1 if 1 in closed else 0, "what could not be written is no success")
                base = sqlite3.connect(self.path(f"outputs/{name}.db"))
                self.addCleanup(base.close)
                self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
                self.assertEqual(base.execute("SELECT count(*), sum(success) FROM result").fetchone(), (30, 30))
                self.assertIsNotNone(base.execute("SELECT ended FROM run").fetchone()[0])
                with open(self.path(name + ".json"), encoding="utf-8") as text:
                    self.assertTrue(text.read().startswith("{"))
                with open(self.path(f"outputs/{name}.log"), encoding="utf-8") as text:
                    self.assertNotIn("Time: ", text.read(), "lines of progress")
        self.assertEqual({request[0] for request in self.requests}, {"POST /v1/chat/completions HTTP/1.1"})

    def run_without(self, closed, url, name):
        """Python itself cannot start a program so: a shell closes them."""
        words = [LLMBENCH, "--url", url, "--model", "m", "--name", name, "--stream", "--prompt", "hi", "-n", "30", "-c", "3",
                 "--json", name + ".json", "--log-every-n-query", "1"]
        line = 'exec "$@" ' + " ".join(f"{fd}{'<' if fd == 0 else '>'}&-" for fd in closed)
        return subprocess.run(["sh", "-c", line, "sh", *words], cwd=self.work, env=clean_environment(), timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    unittest.main()
