"""What a person at a terminal sees, on a pseudo-terminal, and what a pipe gets instead."""
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unittest

from harness import Case, LLMBENCH, PATIENCE, ScriptedServer, clean_environment, judged_by_the_clock, plain, read_request

CLEAR = "\r\x1b[K"


class Terminal(Case):
    def watch(self, *words, columns=120, env=None, both=True):
        """Runs the program with a terminal as stderr, and as stdout too if `both`; returns the exit code,
        [(seconds, what was written)] and what else went to stdout."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        begin, pieces = time.monotonic(), []
        with open(self.path("stdout.txt"), "wb") as out:
            process = subprocess.Popen([LLMBENCH, *map(str, words)], cwd=self.work, stdin=subprocess.DEVNULL,
                                       stderr=slave, stdout=slave if both else out,
                                       env=clean_environment(TERM="xterm", **(env or {})))
            self.addCleanup(self._end, process)
            os.close(slave)
            with contextlib.suppress(OSError):  # what a read says when the other side is gone
                while time.monotonic() - begin < PATIENCE:
                    if select.select([master], [], [], 0.1)[0]:
                        data = os.read(master, 65536)
                        pieces.append((time.monotonic() - begin, data.decode(errors="replace")))
            os.close(master)
            code = process.wait(PATIENCE)
        with open(self.path("stdout.txt"), encoding="utf-8") as text:
            return code, pieces, text.read()

    def job(self, root, *words):
        return ("--api", "openai", "--dataset", "openqa", "--offline", "--url", root + "/v1/chat/completions",
                "--model", "m", "--stream", "--name", "run", *words)

    @staticmethod
    def screen(text, columns):
        """The lines that are left on the screen: carriage return, erase to the end of the line, newline, wrapping."""
        lines, at = [""], 0
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.|\n", text.replace("\r\n", "\n"), re.S):
            if token == "\r":
                at = 0
            elif token == "\n":
                lines.append("")
                at = 0
            elif token == "\x1b[K":
                lines[-1] = lines[-1][:at]
            elif not token.startswith("\x1b"):
                if at == columns:
                    lines.append("")
                    at = 0
                lines[-1] = lines[-1][:at].ljust(at) + token + lines[-1][at + 1:]
                at += 1
        return lines

    def live_lines(self, pieces):
        text = "".join(piece for _, piece in pieces)
        return [line for line in re.findall(r"\r\x1b\[K([^\r\n\x1b]+)", text) if not line.startswith("llmbench")]

    @judged_by_the_clock
    def test_live_line(self):
        root = self.mock("--ttft", "1500ms", "--itl", "20ms", "--tokens", 20)
        code, pieces, _ = self.watch(*self.job(root, "--parallel", 10, "-n", 30))
        self.assertEqual(code, 0)
        text = "".join(piece for _, piece in pieces)
        lines = self.live_lines(pieces)
        self.assertIn("  0/30  ", lines[0], "alive before the first answer ends")
        self.assertGreater(len(lines), 8)
        for line in lines:
            self.assertRegex(line, r"^\d+\.\ds  \d+/30  \d+ in flight  .*errors \d+")
        self.assertTrue(any("10 in flight" in line for line in lines), lines)
        self.assertTrue(any("TTFT p50 1.5" in line for line in lines), lines[-3:])
        self.assertTrue(any("ETA" in line for line in lines))
        self.assertNotIn("Time: ", text, "no plain lines beside the live one")
        left = self.screen(text, 120)
        self.assertFalse([line for line in left if "in flight  " in line and "errors" in line], "it is cleared at the end")
        self.assertTrue(any(line.startswith("  Succeed requests") for line in left), left[:10])
        self.assertEqual(text.count(CLEAR), text.count("\x1b[K"))

    def test_narrow_terminal(self):
        root = self.mock("--ttft", "300ms", "--itl", "20ms", "--tokens", 20)
        for columns in (20, 40, 1):
            _, pieces, _ = self.watch(*self.job(root, "-n", 2, "--name", f"c{columns}"), columns=columns, both=False)
            for line in self.live_lines(pieces):
                self.assertLess(len(line), columns if columns > 1 else 80, "it would wrap")

    @judged_by_the_clock
    def test_what_matters_fits(self):
        """How far, how fast, how many errors and how long it will take, at every usual width."""
        root = self.mock("--ttft", "50ms", "--itl", "20ms", "--tokens", 20)
        for columns, form in ((120, r"\d+\.\ds/60s  \d+/90  \d+ in flight  [\d.]+ req/s  [\d,]+ events/s  TTFT p50 \S+ \S+  "
                                    r"errors 0  ETA \d+s"),
                              (80, r"\d+\.\ds/60s  \d+/90  \d+ in flight  [\d.]+ req/s  (TTFT p50 \S+ \S+  )?errors 0  ETA \d+s"),
                              (60, r"\d+\.\ds/60s \d+/90 \d+ fl [\d.]+/s err 0 ETA \d+s"
                                   r"|\d+\.\ds/60s  \d+/90  \d+ in flight  [\d.]+ req/s  errors 0  ETA \d+s"),
                              (40, r"(\d+\.\ds/60s )?\d+/90 \d+ fl [\d.]+/s err 0 ETA \d+s")):
            code, pieces, _ = self.watch(*self.job(root, "-n", 90, "--parallel", 20, "--duration", "60s", "--name",
                                                   f"w{columns}"), columns=columns, both=False)
            self.assertEqual(code, 0)
            lines = self.live_lines(pieces)
            late = [line for line in lines if re.search(r"req/s|\d/s ", line) and "draining" not in line]
            self.assertGreater(len(late), 3, lines)
            for line in lines:
                self.assertLess(len(line), columns, "it would wrap")
                self.assertRegex(line, r"ETA|draining")
            for line in late:
                if "reads/s" not in line:
                    self.assertRegex(line, f"^(?:{form})$")

    def test_notes_do_not_tear_the_line(self):
        """A warning while the live line stands goes on a line of its own."""
        root = self.mock("--ttft", "30ms", "--itl", "10ms", "--tokens", 10)
        self.write("noisy.lua", """
            local openai, log = require "apis.openai", require "log"
            local build = openai.build_request
            function openai.build_request(messages, opts, ctx)
                if ctx.index % 5 == 0 then log.warn("warning number " .. ctx.index) end
                return build(messages, opts, ctx) end
            return openai""")
        _, pieces, out = self.watch(*self.job(root, "-n", 20, "--api", self.path("noisy.lua")), both=False, columns=400)
        left = [line for line in self.screen("".join(piece for _, piece in pieces), 400) if line.strip()]
        self.assertEqual(sum("warning number" in line for line in left), 4, left)
        for line in left:
            self.assertRegex(line, "^llmbench: ")
            self.assertNotIn("in flight", line)
        self.assertIn("Succeed requests", out)
        self.assertNotIn("\x1b", out)

    def test_words_of_the_server_do_not_drive_the_terminal(self):
        def serve(connection, _):
            while read_request(connection):
                words = "\x1b]0;owned\x07\x1b[2J\r\nLine two \u202e reversed"
                connection.sendall(plain({"error": {"message": words}}, "500 No"))
        with ScriptedServer(serve) as server:
            code, pieces, _ = self.watch(*self.job(server.url, "-n", 3))
        text = "".join(piece for _, piece in pieces)
        self.assertEqual(code, 1)
        self.assertNotIn("\x1b]0", text)
        self.assertNotIn("\x1b[2J", text)
        self.assertNotIn("\u202e", text)

    def test_no_color(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 4)
        for name, env in (("with", {}), ("without", {"NO_COLOR": "1"}), ("empty", {"NO_COLOR": ""})):
            _, pieces, _ = self.watch(*self.job(root, "-n", 20, "--name", name), env=env)
            found = re.findall(r"\x1b\[[\d;]*m", "".join(piece for _, piece in pieces))
            if name == "without":
                self.assertEqual(found, [])
            elif found:
                self.assertEqual(found[-1], "\x1b[0m", "colours end")

    def test_quiet(self):
        root = self.mock("--ttft", "300ms", "--itl", "1ms", "--tokens", 4)
        _, pieces, out = self.watch(*self.job(root, "-n", 3, "--quiet"), both=False)
        self.assertEqual("".join(piece for _, piece in pieces), "")
        self.assertIn("Succeed requests", out)

    @judged_by_the_clock
    def test_drain_is_shown(self):
        root = self.mock("--ttft", "100ms", "--itl", "150ms", "--tokens", 20)
        code, pieces, out = self.watch(*self.job(root, "--duration", "2s", "--parallel", 4), both=False)
        self.assertEqual(code, 0)
        left = self.screen("".join(piece for _, piece in pieces), 120)
        self.assertEqual(left[-1], "", left[-3:])
        self.assertTrue(any("ETA" in line and "/2s" in line for line in self.live_lines(pieces)))
        self.assertTrue(any("draining" in line for line in self.live_lines(pieces)))
        self.assertIn("Drain after the window", out)


class Piped(Case):
    def test_plain_output(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 4)
        _, result = self.run_against(root, "-n", 40, "--log-every-n-query", 10, "--stream")
        for text in (result.out, result.err):
            self.assertNotIn("\x1b", text)
            self.assertNotIn("\r", text)
        self.assertNotIn("\t", result.out)
        for line in result.err.splitlines():
            self.assertRegex(line, r"^(llmbench: |Time: \d+\.\d, concurrency: 1, completed: \d+, succeed: \d+, failed: 0, )")

    def test_a_line_for_every_n(self):
        """However fast they come: ticks are much fewer."""
        root = self.mock("--ttft", "0ms", "--itl", "0ms", "--tokens", 2)
        for every, number in ((10, 200), (1, 60), (7, 30), (50, 49)):
            _, result = self.run_against(root, "-n", number, "--parallel", 8, "--log-every-n-query", every, "--stream", "--name",
                                         f"every{every}")
            found = [tuple(map(int, counts)) for counts in
                     re.findall(r"^Time: .*completed: (\d+), succeed: (\d+), failed: (\d+), ", result.err, re.M)]
            self.assertEqual(found, [(done, done, 0) for done in range(every, number + 1, every)])

    def test_debug_shows_headers(self):
        def serve(connection, _):
            while read_request(connection):
                connection.sendall(plain({"error": "no"}, "401 No", extra="Set-Cookie: session=hidden-cookie\r\nX-Request-Id: 17\r\n"))
        with ScriptedServer(serve) as server:
            _, result = self.run_against(server.url, "-n", 1, "--debug", "--header", "X-Auth-Thing: hidden-value",
                                         "--header", "X-Trace: shown", expect=1)
        for line in ("> X-Auth-Thing: [redacted]", "> X-Trace: shown", "< HTTP 401", "< Set-Cookie: [redacted]",
                     "< X-Request-Id: 17"):
            self.assertIn(f"request 0 {line}\n", result.err)
        with open(self.path("outputs/run.log"), encoding="utf-8") as text:
            self.assertNotIn("hidden-", text.read() + result.err)

    def test_closed_pipes(self):
        """The reader of the table goes away: no crash, and the database is whole."""
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 4)
        process = self.spawn("--api", "openai", "--dataset", "openqa", "--offline", "--url",
                             root + "/v1/chat/completions", "--model", "m", "--name", "run", "-n", 200, "--parallel", 4)
        process.stdout.close()
        process.stderr.close()
        process.stdout = process.stderr = None
        code = process.wait(PATIENCE)
        self.assertIn(code, (0, 1), "it ends by itself, not by SIGPIPE or a crash")
        base = self.database()
        self.assertEqual(base.execute("SELECT count(*) FROM result").fetchone()[0], 200)
        self.assertIsNotNone(base.execute("SELECT ended FROM run").fetchone()[0])


if __name__ == "__main__":
    unittest.main()
