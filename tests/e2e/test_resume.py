"""`--resume`: a run that is killed again and again and gone on with sends each arrival of its plan, with the body that an undisturbed run
would have sent, and has one result for each of them. LLMBENCH_LONG=1 does so many times more often."""
import collections
import hashlib
import json
import math
import os
import random
import sqlite3
import subprocess
import threading
import time
import unittest

from harness import DONE, PATIENCE, Case, ScriptedServer, answer, event, plain, read_request, wait_for

LONG = bool(os.environ.get("LLMBENCH_LONG"))
ENDED = answer(event("one"), event(" two"), event(finish="stop"), DONE)
KILLS_MOST = 40


class Bodies:
    """A server that counts the bodies it has answered."""

    def __init__(self, pause=0.01):
        self.pause, self.lock, self.seen = pause, threading.Lock(), collections.Counter()
        self.gate, self.waiting = threading.Event(), 0  # a GET is answered when it is open

    def serve(self, connection, _):
        while request := read_request(connection):
            if request[0].startswith("GET"):
                self.waiting += 1
                self.gate.wait(PATIENCE)
                connection.sendall(plain({}))
                continue
            time.sleep(self.pause)
            with self.lock:
                self.seen[hashlib.sha256(request[2]).hexdigest()] += 1
            connection.sendall(ENDED)


class Resume(Case):
    def setUp(self):
        super().setUp()
        self.server = Bodies()
        scripted = self.stack.enter_context(ScriptedServer(self.server.serve))
        self.url = scripted.url + "/v1/chat/completions"
        self.write("prompts.txt", "".join(f"prompt {i}\n" for i in range(37)))

    def words(self, name, *args):
        return ["--url", self.url, "--model", "m", "--stream", "--offline", "--dataset", "line_by_line", "--dataset-path",
                "prompts.txt", "--name", name, "-q", *args]

    def path_of(self, name):
        return self.path(f"outputs/{name}.db")

    def rows(self, name):
        base = sqlite3.connect(self.path_of(name))
        rows = base.execute("SELECT stage, arrival, request, outcome FROM result").fetchall()
        self.assertEqual(base.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        base.close()
        return rows

    def ended(self, name):
        if not os.path.exists(self.path_of(name)):
            return None
        base = sqlite3.connect(self.path_of(name))
        try:
            return base.execute("SELECT ended FROM run").fetchone()[0] is not None
        except sqlite3.OperationalError:  # killed while it was set up
            return None
        finally:
            base.close()

    def killed_until_done(self, name, chance, *args, first=(0.0, 0.3)):
        """Kills and goes on until the run has come to its end; returns (kills, JSON report, result)."""
        words = self.words(name, *args)
        for kill in range(KILLS_MOST):
            process = self.spawn(*words, "--json", f"{name}.json")
            last = kill > (6 if LONG else 1)
            # In the midst of the run; now and then while it is set up.
            if not last and (kill == 0 or chance.random() < 0.7):
                before = self.count(name)
                wait_for(lambda: process.poll() is not None or self.count(name) > before + 3, PATIENCE)
            try:
                process.wait(PATIENCE if last else chance.uniform(*first))
            except subprocess.TimeoutExpired:
                process.kill()
            out, err = process.communicate(timeout=PATIENCE)
            state = self.ended(name)
            if process.returncode == 0:
                with open(self.path(f"{name}.json"), encoding="utf-8") as text:
                    return kill, json.load(text), out.decode()
            self.assertEqual(process.returncode, -9, err.decode())
            if state is None:
                if os.path.exists(self.path_of(name)):
                    os.unlink(self.path_of(name))
                continue
            if state:  # killed after its end had been written
                report = self.llmbench("report", self.path_of(name), "--json", f"{name}.json", expect=0)
                with open(self.path(f"{name}.json"), encoding="utf-8") as text:
                    return kill, json.load(text), report.out
            words = ["--resume", self.path_of(name), "-q"]
        self.fail("it never came to its end")

    def count(self, name):
        if not os.path.exists(self.path_of(name)):
            return 0
        base = sqlite3.connect(f"file:{self.path_of(name)}?mode=ro", uri=True)
        try:
            return base.execute("SELECT count(*) FROM result").fetchone()[0]
        except sqlite3.OperationalError:  # it is being set up
            return 0
        finally:
            base.close()

    def undisturbed(self, *args):
        self.server.seen.clear()
        self.llmbench(*self.words("whole", *args), expect=0)
        rows, seen = self.rows("whole"), set(self.server.seen)
        self.server.seen.clear()
        return rows, seen

    def check(self, seed, *args, report=True):
        chance = random.Random(seed)
        whole, bodies = self.undisturbed(*args)
        kills, report, printed = self.killed_until_done("cut", chance, *args)
        rows = self.rows("cut")
        # The same plan: each arrival once, in its stage, with its body.
        self.assertEqual(sorted(row[:3] for row in rows), sorted(row[:3] for row in whole), f"{kills} kills")
        self.assertEqual({row[3] for row in rows}, {"ok"})
        self.assertEqual(set(self.server.seen), bodies)  # nothing else was sent, and nothing not at all
        for stage in report.get("stages", [report]):
            counts = stage["counts"]
            self.assertEqual(counts["due"], counts["ok"] + counts["failed"] + counts["cancelled"] + counts["not_started"])
        return kills, report, printed

    def parts(self, name="cut"):
        base = sqlite3.connect(self.path_of(name))
        parts = base.execute("SELECT * FROM part").fetchall()
        base.close()
        return parts

    def test_closed_loop_by_number(self):
        kills, report, printed = self.check(1, "-n", 150, "-c", 2)
        self.assertGreater(kills, 0)
        self.assertEqual(len(self.parts()), report["trust"]["resumed"])
        self.assertGreater(len(self.parts()), 0)
        self.assertEqual(report["counts"]["ok"], 150)
        self.assertIn("gone on with", " ".join(report["verdict"]["remarks"]))
        self.assertIn("Times gone on with", printed)

    def test_open_loop(self):
        kills, report, _ = self.check(2, "-n", 120, "--rate", 120, "--plan-seed", 9)
        self.assertGreater(kills, 0)
        self.assertEqual(report["counts"]["ok"], 120)

    def test_stages_and_a_warm_up(self):
        self.check(3, "-n", 30, 70, 50, "-c", 1, 4, 2, "--warmup-num", 20, "--sleep-interval", "50ms")

    def test_stages_with_the_same_prompts(self):
        self.check(4, "-n", 50, "-c", 1, 4, "--same-prompts", "--sleep-interval", "0s")

    def test_once_over_the_data(self):
        self.write("prompts.txt", "".join(f"prompt {i}\n" for i in range(50)))
        self.check(5, "-c", 1, 2, "--sleep-interval", "0s")

    def test_a_script_that_counts_and_draws(self):
        """What it keeps in variables and draws at random is as it was."""
        script = self.write("draws.lua", """
            local api, random = require "apis.openai", require "random"
            local build, built = api.build_request, 0
            function api.build_request(messages, opts, ctx)
                built = built + 1
                local body = build(messages, opts, ctx)
                body.user = built .. " " .. random.integer(1, 1000000) .. " " .. ctx.index
                return body
            end
            return api""")
        self.check(6, "-n", 100, "-c", 2, "--api", script)

    def test_a_trace(self):
        self.write("trace.jsonl", "".join(
            json.dumps({"prompt": f"prompt {i}", "at": i * 0.01}) + "\n" for i in range(90)))
        self.check(7, "--arrival", "trace", "--dataset-path", "trace.jsonl", "--dataset", "auto")

    def test_by_duration(self):
        """The time before the kill counts, the pause does not."""
        chance = random.Random(8)
        kills, report, _ = self.killed_until_done("cut", chance, "-d", "1500ms", "-c", 2, first=(0.1, 0.4))
        self.assertGreater(kills, 0)
        window = report["window"]["seconds"]
        self.assertLess(window, 1.51)  # its end is planned; its beginning is late on a busy machine
        self.assertGreater(window, 0.5)
        rows = self.rows("cut")
        arrivals = sorted(row[1] for row in rows)
        self.assertEqual(arrivals, list(range(len(rows))))
        self.assertEqual(report["counts"]["ok"], len(rows))
        # One clock without a gap: no pause between two starts is nearly as long as one between the parts.
        base = sqlite3.connect(self.path_of("cut"))
        starts = [row[0] for row in base.execute("SELECT started_ns FROM result ORDER BY started_ns")]
        walls = [row[0] for row in base.execute("SELECT start_time FROM result ORDER BY start_time")]
        first, end = base.execute("SELECT window_start_ns, window_end_ns FROM stage").fetchone()
        base.close()
        self.assertLessEqual(first, starts[0])
        self.assertLessEqual(starts[-1], end)
        self.assertLess((starts[-1] - starts[0]) / 1e9, walls[-1] - walls[0])

    def test_the_report_is_the_same_from_the_database(self):
        _, report, printed = self.check(9, "-n", 120, "-c", 2)
        again = self.llmbench("report", self.path_of("cut"), "--json", "again.json", expect=0)
        with open(self.path("again.json"), encoding="utf-8") as text:
            after = json.load(text)

        def same(a, b, where):
            if isinstance(a, dict):
                self.assertEqual(sorted(a), sorted(b), where)
                for key in a:
                    same(a[key], b[key], f"{where}.{key}")
            elif isinstance(a, float):
                self.assertTrue(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12), f"{where}: {a} {b}")
            else:
                self.assertEqual(a, b, where)
        # The reads before the cut have left no stamps, the earlier parts no reads of their own.
        for key in ("counts", "tokens", "window", "errors", "felt", "verdict", "end"):
            same(report[key], after[key], key)
        for metric in report["metrics"]:
            same(report["metrics"][metric], after["metrics"][metric], metric)

    def kill_after(self, name, seconds, *args, env=None):
        process = self.spawn(*self.words(name, *args), env=env)
        wait_for(lambda: self.count(name) > 5, PATIENCE)
        time.sleep(seconds)
        return process

    def cut(self, name, *args, env=None):
        process = self.kill_after(name, 0.1, *args, env=env)
        process.kill()
        process.wait()

    def refused(self, sentence, *args, expect=3, env=None):
        result = self.llmbench("--resume", self.path_of("cut"), *args, expect=expect, env=env)
        self.assertIn(sentence, result.err)

    def test_what_is_refused(self):
        self.cut("cut", "-n", 100000, "-c", 2)
        before = len(self.rows("cut"))
        self.refused("--parallel cannot be given", "-c", 3, expect=2)
        self.refused("--url http://127.0.0.1:1/x is not where the run asked", "--url", "http://127.0.0.1:1/x", expect=2)
        self.write("prompts.txt", "others\n")
        self.refused("the data is not what it was when the run began")
        os.unlink(self.path("prompts.txt"))
        self.refused("prompts.txt")
        self.assertEqual(len(self.rows("cut")), before)
        self.assertEqual(self.parts(), [])
        self.assertIn("cannot read", self.llmbench("--resume", "none.db", expect=2).err)

    def test_another_script(self):
        own = 'local api = require "apis.openai"\nreturn api\n'
        script = self.write("own.lua", own)
        self.cut("cut", "-n", 100000, "-c", 2, "--api", script)
        self.write("own.lua", own + "\n")
        self.refused("the API script is not what it was")

    def test_an_experiment(self):
        lua = self.write("two.lua", "local bench = require 'bench'\nbench.run{}\n")
        result = self.llmbench("experiment", lua, "--resume", "some.db", expect=2)
        self.assertIn("not with an experiment", result.err)

    def test_a_run_that_ended(self):
        self.llmbench(*self.words("cut", "-n", 5), expect=0)
        self.refused("came to its end", expect=2)

    def test_a_run_that_still_goes_on(self):
        process = self.kill_after("cut", 0, "-n", 100000, "-c", 2)
        self.refused("another llmbench writes to it")
        process.kill()
        process.wait()

    def test_one_goes_on_with_it(self):
        """From before it looks what is there, so that nothing is done twice."""
        script = self.write("gate.lua", """
            local api = require "apis.openai"
            function api.setup() return require("http").get("%s/gate").status end
            return api""" % self.url)
        self.server.gate.set()
        self.cut("cut", "-n", 300, "-c", 2, "--script", script)
        self.server.gate.clear()
        self.server.waiting = 0
        first = self.spawn("--resume", self.path_of("cut"), "-q")
        wait_for(lambda: self.server.waiting, PATIENCE)
        self.refused("another llmbench writes to it")
        self.server.gate.set()
        self.assertEqual(self.wait(first).code, 0)
        self.assertEqual(sorted(row[1] for row in self.rows("cut")), list(range(300)))
        self.assertEqual(len(self.parts()), 1)

    def test_other_conditions(self):
        """They judge all stages, in the report from the database as well."""
        self.cut("cut", "-n", 10, 400, "-c", 2, 3, "--sleep-interval", "0s", "--fail-on", "failed>0")
        result = self.llmbench("--resume", self.path_of("cut"), "-q", "--fail-on", "ok>10", expect=1)
        self.assertEqual([(line.split()[0], line.split()[1]) for line in result.out.splitlines() if "ok>10" in line],
                         [("PASS", "ok>10"), ("FAIL", "ok>10")])
        report = self.llmbench("report", self.path_of("cut"), "--report", "none", expect=1)
        self.assertEqual(report.err, "llmbench report: stage 1 (3 parallel) fails --fail-on 'ok>10': 400\n")

    def test_a_secret_of_the_bodies_is_given_again(self):
        words = ("--extra-args", '{"tenant":{"api_key":"WORDKEY-of-a-body"},"eos_token":"</s>"}')
        self.cut("cut", "-n", 60, "-c", 1, *words)
        self.refused("give --extra-args again", expect=2)
        self.llmbench("--resume", self.path_of("cut"), *words, expect=0)
        with open(self.path_of("cut"), "rb") as base:
            self.assertNotIn(b"WORDKEY", base.read())

    def test_secrets_are_given_again(self):
        key = "sk-resume-0123456789abcdef"
        self.cut("cut", "-n", 60, "-c", 1, "--api-key", key, "--header", f"X-Token: {key}")
        with open(self.path_of("cut"), "rb") as file:
            self.assertNotIn(key.encode(), file.read())
        self.refused("give --api-key again", expect=2)
        self.refused("give --header again", "--api-key", key, expect=2)
        self.llmbench("--resume", self.path_of("cut"), "--api-key", key, "--header", f"X-Token: {key}", expect=0)
        self.assertEqual(sorted(row[1] for row in self.rows("cut")), list(range(60)))
        with open(self.path_of("cut"), "rb") as file:
            self.assertNotIn(key.encode(), file.read())

    @unittest.skipUnless(LONG, "LLMBENCH_LONG")
    def test_many_times(self):
        for seed in range(100, 130):
            with self.subTest(seed=seed):
                for name in ("whole", "cut"):
                    for ending in (".db", ".log"):
                        if os.path.exists(self.path(f"outputs/{name}{ending}")):
                            os.unlink(self.path(f"outputs/{name}{ending}"))
                self.check(seed, *random.Random(seed).choice((
                    ("-n", 400, "-c", 5), ("-n", 300, "--rate", 150), ("-n", 120, "-c", 1, 3, "--sleep-interval", "0s"),
                    ("-n", 200, "--rate", 300, "-c", 4))))


if __name__ == "__main__":
    unittest.main()
