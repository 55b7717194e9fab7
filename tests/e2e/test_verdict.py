"""The verdict gives its reasons: each trouble is brought about, and the run says which it was; a run without says sound."""
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import Case, PATIENCE, SANITIZED, clean_environment, judged_by_the_clock, wait_for

CORES = sorted(os.sched_getaffinity(0))
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

# Burns CPU, as a hook that does too much; a sleep would leave the core to others.
BURN = """local api = require "apis.openai"
local build, read = api.build_request, api.read_event
local function burn(ms)
    local from = os.clock()
    while os.clock() - from < ms / 1000 do end
end
%s
return api
"""

# A slow disk: whatever goes to the database takes its time (but not when it is closed, which no run waits for).
SLOW_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
static void delay(int fd) {
    char name[64], path[512];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, path, sizeof path - 1);
    if (len <= 0) return;
    path[len] = 0;
    if (strstr(path, ".db-wal")) usleep(30000);
}
#define SLOW(name, list, ...) ssize_t name list { \
    static ssize_t (*next) list; \
    if (!next) next = (ssize_t(*) list)dlsym(RTLD_NEXT, #name); \
    delay(fd); \
    return next(__VA_ARGS__); }
SLOW(write, (int fd, const void *data, size_t len), fd, data, len)
SLOW(pwrite, (int fd, const void *data, size_t len, off_t at), fd, data, len, at)
SLOW(pwrite64, (int fd, const void *data, size_t len, off64_t at), fd, data, len, at)
"""

# The system's clock is set by STEP seconds one second after the start; the kernel's own stamps are not.
STEPPED_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*next)(clockid_t, struct timespec *);
    static _Atomic long first;
    struct timespec now;
    if (!next) next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(id, at);
    if (id != CLOCK_REALTIME) return result;
    next(CLOCK_MONOTONIC, &now);
    long ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (!first) first = ms;
    if (ms - first > 1000) at->tv_sec += atoi(getenv("STEP"));
    return result;
}
"""


class Nagling(BaseHTTPRequestHandler):
    """Sends head and tokens in small writes, and leaves Nagle's algorithm on."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def chunk(self, text):
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(20):
            time.sleep(0.001)
            self.chunk('{"choices":[{"index":0,"delta":{"content":"a"}}]}')
        self.chunk("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


@contextlib.contextmanager
def serve(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Verdict(Case):
    def shim(self, text):
        """A library to be loaded before all others; returns the environment that does so."""
        if not COMPILER:
            self.skipTest("no C compiler")
        made = self.path("shim.so")
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", made, self.write("shim.c", text), "-ldl"],
                       check=True, timeout=PATIENCE)
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {"LD_PRELOAD": made, "ASAN_OPTIONS": options}

    def said(self, report, pattern, sound=None):
        verdict = report["verdict"]
        sentences = "\n".join(verdict["reasons"] + verdict["remarks"])
        self.assertRegex(sentences, pattern, report["trust"])
        if sound is not None:
            self.assertEqual(verdict["sound"], sound, sentences)
        return verdict

    def times_are_right(self, report, ttft, itl):
        """Whatever went wrong beside it, the times are the server's, give or take what a busy machine does."""
        for name, value in (("ttft", ttft), ("itl", itl)):
            measured = report["metrics"][name]["p50"]
            self.assertLess(abs(measured - value), 0.4 * value + (0.05 if SANITIZED else 0.003), f"{name} {measured}")

    @judged_by_the_clock
    def test_clean(self):
        """A small load on an idle machine is sound; on a busy one each reason must be one of being late."""
        url = self.mock("--ttft", "20ms", "--itl", "20ms", "--jitter", "0", "--tokens", "20")
        for attempt in range(4):
            report, result = self.run_against(url, "--stream", "-c", "2", "-n", "6", "--name", f"clean{attempt}")
            trust = report["trust"]
            for key in ("held", "held_outputs", "no_descriptor", "scorers_blocked_s", "clock_steps", "starved_s"):
                self.assertLess(trust[key] or 0, 0.2, key)
            self.assertIsNone(trust["most_in_flight"])
            if report["verdict"]["sound"]:
                self.assertIn("Verdict: sound", result.out)
                self.times_are_right(report, 0.02, 0.02)
                return
            for reason in report["verdict"]["reasons"]:
                self.assertIn("late (p99)" if "late" in reason else "client-bound", reason)
        if "had no core" in str(report["verdict"]["remarks"]):
            self.skipTest("something else runs on the cores all the time")
        self.fail(report["verdict"])

    @judged_by_the_clock
    def test_a_server_that_waits_for_acknowledgements(self):
        """Small writes without TCP_NODELAY: on a kept connection all but the first wait for our kernel's delayed ACK."""
        with serve(Nagling) as url:
            for attempt in range(3):  # on a busy machine a new connection may be as late
                report, _ = self.run_against(url, "--stream", "-c", "6", "-n", "90", "--name", f"nagle{attempt}")
                if "TCP_NODELAY" in str(report["verdict"]):
                    break
        self.said(report, r"TTFT was [345]\d\.\d ms on kept connections, \d+\.\d ms on new ones .*TCP_NODELAY")
        url = self.mock("--ttft", "3ms", "--itl", "1ms", "--tokens", "20")
        report, _ = self.run_against(url, "--stream", "-c", "6", "-n", "90", "--name", "nodelay")
        self.assertNotIn("TCP_NODELAY", str(report["verdict"]))

    def test_a_stream_that_nobody_asks_for(self):
        url = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", "2")
        script = self.write("plain.lua", BURN % """
function api.build_request(messages, opts, ctx)
    local body = build(messages, opts, ctx)
    body.stream, body.stream_options = false, nil
    return body
end""")
        report, _ = self.run_against(url, "--api", script, "--stream", "-n", "3", "--name", "asked")
        self.said(report, r"--stream was given, but no answer came as a stream", sound=None)
        report, _ = self.run_against(url, "--api", script, "-n", "3", "--name", "not-asked")
        self.assertNotIn("--stream was given", str(report["verdict"]))

    def test_composer_starved(self):
        url = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", "4")
        script = self.write("s.lua", BURN % "function api.build_request(...) burn(20) return build(...) end")
        report, _ = self.run_against(url, "--stream", "-c", "8", "-n", "60", api=script)
        self.said(report, r"waited for a request to be composed", sound=False)
        self.assertGreater(report["trust"]["composer_cpu_s"], 0.5)
        self.assertLess(report["trust"]["composer_cpu_share"], 1.01)

    @judged_by_the_clock
    def test_slow_scorer(self):
        """Answers are read long after they came, and their times know nothing of it."""
        url = self.mock("--ttft", "60ms", "--itl", "10ms", "--jitter", "0", "--tokens", "16")
        script = self.write("s.lua", BURN % "function api.read_event(...) burn(5) return read(...) end")
        report, result = self.run_against(url, "--stream", "-c", "10", "-n", "40", api=script)
        self.said(report, r"scorers were behind: answers were still read .* after the last one")
        self.assertGreater(report["trust"]["scoring_tail_s"], 1)
        self.assertGreater(report["trust"]["scorer_cpu_s"], 3)
        self.assertLess(report["trust"]["scorer_cpu_share"], 1.01)
        self.times_are_right(report, 0.06, 0.01)
        self.assertIn("scorers were behind", result.out)

    @judged_by_the_clock
    def test_slow_disk(self):
        url = self.mock("--ttft", "20ms", "--itl", "5ms", "--jitter", "0", "--tokens", "40")
        report, result = self.run_against(url, "--stream", "-c", "20", "-n", "100", env=self.shim(SLOW_DISK))
        self.said(report, r"the database or another output was behind: writing took")
        self.assertGreater(report["trust"]["outputs_s"], 1)
        self.assertGreater(report["trust"]["outputs_slowest_s"], 0.005)
        self.times_are_right(report, 0.02, 0.005)
        self.assertIn("Writing results", result.out)
        self.assertEqual(self.database().execute("SELECT count(*) FROM result").fetchone()[0], 100)

    @judged_by_the_clock
    def test_clock_step(self):
        url = self.mock("--ttft", "20ms", "--itl", "10ms", "--jitter", "0", "--tokens", "20")
        shim = self.shim(STEPPED_CLOCK)
        for step in (3600, -7):
            with self.subTest(step=step):
                report, result = self.run_against(
                    url, "--stream", "-c", "4", "-d", "2s", "--name", f"step{step}", env={**shim, "STEP": str(step)})
                self.said(report, r"the system's clock was set 1 time during the run, by up to %s" %
                          ("3.6e\\+03" if step > 0 else "7"))
                self.assertEqual(report["trust"]["clock_steps"], 1)
                self.assertAlmostEqual(report["trust"]["clock_step_s"], abs(step), delta=0.01)
                self.assertGreater(report["trust"]["reads_kernel"], 0)
                self.assertGreater(report["trust"]["reads_user"], 0)
                self.assertEqual(report["counts"]["impossible_times"], 0)
                self.times_are_right(report, 0.02, 0.01)
                self.assertLess(report["metrics"]["itl"]["max"], 2)
                self.assertIn("Steps of the system's clock", result.out)

    def hogs(self, core, count):
        """Programs that never rest, all on one core."""
        for _ in range(count):
            hog = subprocess.Popen([sys.executable, "-c", "while True: pass"], env=clean_environment())
            self.addCleanup(hog.wait)
            self.addCleanup(hog.kill)
            os.sched_setaffinity(hog.pid, {core})

    def run_on(self, core, url, *args, before=None, nice=0):
        """The program on this core alone, and in the last place there."""
        def begin():
            os.nice(nice)
            os.sched_setaffinity(0, {core})
            if before:
                before()
        report = self.path("report.json")
        words = ["--api", "openai", "--url", url + "/v1/chat/completions", "--model", "m", "--json", report, "--name", "run",
                 "--offline", "--dataset", "openqa"]
        result = self.wait(self.spawn(*words, *args, preexec_fn=begin))
        self.assertEqual(result.code, 0, result.err)
        with open(report, "rb") as text:
            return json.load(text), result

    @judged_by_the_clock
    def test_hog_on_the_core(self):
        """Reads come late and together, and starts late; the run knows that its core was taken."""
        url = self.mock("--ttft", "20ms", "--itl", "2ms", "--jitter", "0", "--tokens", "100")
        self.hogs(CORES[-1], 3)
        report, result = self.run_on(CORES[-1], url, "--stream", "-c", "10", "-n", "20", nice=10)
        self.said(report, r"client-bound: (reads came up to|the event loop)", sound=False)
        self.assertGreater(report["trust"]["receive_delay"]["max"], 0.002)
        self.assertGreater(report["events"]["coalesced_gaps"], 0)
        if report["trust"]["worker_wait_share"] is not None:
            self.said(report, r"a worker was ready to run but had no core for \d+ %")
            self.assertIn("Ready without a core", result.out)

    @judged_by_the_clock
    def test_hog_in_an_open_loop(self):
        url = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", "2")
        self.hogs(CORES[-1], 3)
        report, _ = self.run_on(CORES[-1], url, "--stream", "--rate", "200", "-n", "100", nice=10)
        self.said(report, r"client-bound: requests left up to .* later than planned", sound=False)
        self.assertGreater(report["trust"]["schedule_lag"]["p99"], 0.005)

    def test_rate_not_reached(self):
        """The composer cannot keep up with the arrivals."""
        url = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", "2")
        script = self.write("s.lua", BURN % "function api.build_request(m, o, ctx) if ctx.index > 39 then burn(120) end "
                                            "return build(m, o, ctx) end")
        report, _ = self.run_against(url, "--stream", "--rate", "30", "-n", "65", api=script)
        self.said(report, r"requests left at [\d.]+ a second, less than 95 % of the [\d.]+", sound=False)
        self.assertLess(report["trust"]["achieved_rate"], 0.95 * report["trust"]["planned_rate"])

    def test_rate_held_back_by_the_cap(self):
        url = self.mock("--ttft", "200ms", "--itl", "1ms", "--tokens", "2")
        report, _ = self.run_against(url, "--stream", "--rate", "200", "-c", "4", "-n", "40")
        self.said(report, r"because of the cap on what is in flight")

    @judged_by_the_clock
    def test_few_descriptors(self):
        """An open loop may have so many in flight as the limit of open files allows, and says when that was too few."""
        url = self.mock("--ttft", "400ms", "--itl", "1ms", "--tokens", "2")
        report, _ = self.run_on(CORES[0], url, "--stream", "--rate", "200", "-n", "100",
                                before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90)))
        most = report["trust"]["most_in_flight"]
        self.assertLess(most, 90)
        self.said(report, rf"descriptors: {most} requests were in flight, all that the limit of open files", sound=False)

    @judged_by_the_clock
    def test_limit_lowered_during_the_run(self):
        """No descriptor for a new connection: named as ours, and counted."""
        url = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", "2")
        report = self.path("report.json")
        process = self.spawn("--api", "openai", "--url", url + "/v1/chat/completions", "--model", "m", "--json", report,
                             "--name", "run", "--prompt", "hello", "--stream", "-c", "40", "--spawn-rate", "20", "-d", "2s")
        wait_for(lambda: os.path.exists(self.path("outputs/run.log")), what="the run")
        time.sleep(0.3)
        usual = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, usual[1]))
        time.sleep(0.7)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, usual)
        result = self.wait(process)
        self.assertEqual(result.code, 0, result.err)
        rows = self.database().execute("SELECT count(*) n FROM result WHERE outcome = 'connect_failed' AND "
                                       "error LIKE '%limit of open files is reached (EMFILE%'").fetchone()["n"]
        self.assertGreater(rows, 0)
        self.assertRegex(result.out, r"descriptors ran out: %d connection" % rows)
        self.assertIn("not sound", result.out)


if __name__ == "__main__":
    unittest.main()
