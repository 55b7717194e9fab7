"""A run that is killed at any moment leaves a valid database, which holds every answer that the server had finished more
than a second before. LLMBENCH_LONG=1 kills hundreds of runs in the place of thirty."""
import concurrent.futures
import json
import os
import random
import re
import sqlite3
import threading
import time
import unittest

from harness import DONE, PATIENCE, SANITIZED, Case, ScriptedServer, answer, event, read_request

LONG = bool(os.environ.get("LLMBENCH_LONG"))
KILLS = 400 if LONG else 30
AT_ONCE = 5  # runs side by side
KEPT_AFTER = 1.0  # seconds: what docs/reliability.md promises
PROMPTS = 3000

CHUNKS = [event(f"word {i} ") for i in range(30)]
ENDED = answer(*CHUNKS, event(finish="stop"), DONE)


class Finished:
    """A server that writes down when it had finished which answer."""

    def __init__(self, pause):
        self.pause, self.lock, self.ended = pause, threading.Lock(), {}

    def serve(self, connection, _):
        while request := read_request(connection):
            number = int(re.search(rb"prompt (\d+)\.", request[2]).group(1))
            time.sleep(self.pause)
            connection.sendall(ENDED)
            now = time.monotonic()
            with self.lock:
                self.ended[number] = now

    def before(self, moment):
        with self.lock:
            return {number for number, at in self.ended.items() if at < moment}


class Lateness(threading.Thread):
    """How long this machine keeps a thread waiting that wants to run: the server's clock and the program share it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.worst, self.over = 0.0, threading.Event()

    def run(self):
        while not self.over.is_set():
            before = time.monotonic()
            time.sleep(0.02)
            self.worst = max(self.worst, time.monotonic() - before - 0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


LOADS = (
    ("-c", 1), ("-c", 8), ("-c", 32, "-t", 2), ("--rate", 150), ("-c", 8, "--store", "none"),
    ("-c", 4, "--warmup-num", 40, "--sleep-interval", "0s"), ("-c", 2, 6, "-n", 60, "--sleep-interval", "300ms"),
)


class Killed(Case):
    def setUp(self):
        super().setUp()
        self.prompts = self.write("prompts.txt", "".join(f"prompt {i}.\n" for i in range(PROMPTS)))

    def kill_one(self, seed, attempt=0):
        """Returns what is wrong, or None. What came late on a busy machine comes in time on another attempt; what is
        broken is broken."""
        found = self.kill_once(seed, f"killed{seed}-{attempt}")
        if found and " answers" in found and attempt < 3:
            return self.kill_one(seed, attempt + 1)
        return found

    def kill_once(self, seed, name):
        chance = random.Random(seed)
        load = chance.choice(LOADS)
        finished = Finished(chance.choice((0.0, 0.005, 0.05)))
        with ScriptedServer(finished.serve) as server, Lateness() as late:
            process = self.spawn("--url", server.url, "--model", "m", "--dataset", "line_by_line", "--dataset-path",
                                 self.prompts, "--stream", "-d", "60s", "--name", name, "--offline", "-q", *load)
            # Most in the midst of the run, some while it is still set up.
            time.sleep(chance.uniform(0, 0.3) if seed % 5 == 0 else chance.uniform(1.1, 2.2))
            killed = time.monotonic()
            process.kill()
            process.communicate(timeout=PATIENCE)
            margin = KEPT_AFTER + (4 if SANITIZED else 1) * late.worst + (2 if SANITIZED else 0)
            return self.judge(name, finished.before(killed - margin), f"seed {seed}, {load}, {margin:.2f} s")

    def judge(self, name, due, what):
        path = self.path(f"outputs/{name}.db")
        if not os.path.exists(path):
            return f"{what}: no database, but {len(due)} answers" if due else None
        base = sqlite3.connect(path)
        try:
            if base.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                return f"{what}: not valid"
            tables = base.execute("SELECT count(*) FROM sqlite_master WHERE type='table'").fetchone()[0]
            if not tables:
                return f"{what}: no table, but {len(due)} answers" if due else None
            rows = base.execute("SELECT request, success, text, arrival, events FROM result").fetchall()
            self.assertEqual(base.execute("SELECT count(*) FROM run").fetchone()[0], 1, what)
        finally:
            base.close()
        arrivals = [row[3] for row in rows]
        if len(set(arrivals)) != len(arrivals):
            return f"{what}: an arrival is there twice"
        if any(row[1] and len(json.loads(row[4])["k"]) < len(CHUNKS) for row in rows):
            return f"{what}: a row is not whole"
        # Each prompt is asked once, in order, so an arrival is its number.
        missing = due - {row[3] for row in rows if row[1]}
        return f"{what}: {len(missing)} of {len(due)} finished answers are missing: {sorted(missing)[:5]}" if missing else None

    def test_random_kills(self):
        seeds = range(1000, 1000 + KILLS) if not LONG else [random.randrange(10**9) for _ in range(KILLS)]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            wrong = [(seed, found) for seed, found in zip(seeds, pool.map(self.kill_one, seeds)) if found]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
