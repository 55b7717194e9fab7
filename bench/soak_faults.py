"""What bench/soak.sh --faults does."""
import argparse
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

from soak import LIMIT_BYTES, PER, resident_bytes, slope, stats

# Of each hundred requests; faults that fill the ceiling of an answer are costly and come less often.
SHARE, COSTLY_SHARE = 1.0, 0.3
COSTLY = {"huge-event", "huge-body", "header-flood"}
# What befalls a kept connection before the first byte is sent again, and the row says so.
RESENT_OUTCOME = "reset"
GRACE_S = 60
EXACT = 110_000  # requests: a little more than STATS_EXACT in src/model/stats.h
SPARE_DESCRIPTORS = 64


def known_faults(llmbench):
    """{name: outcome} as the mock lists them."""
    out = subprocess.run([llmbench, "mock", "--fault", "list"], capture_output=True, text=True, check=True).stdout
    return dict(line.split()[:2] for line in out.splitlines())


class Mock:
    def __init__(self, llmbench, faults):
        words = [word for name in faults
                 for word in ("--fault", f"{name}:{COSTLY_SHARE if name in COSTLY else SHARE}%")]
        self.process = subprocess.Popen([llmbench, "mock", "--port", "0", "--ttft", "20ms", "--itl", "1ms", "--tokens",
                                         "16", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = re.search(r"http://\S+", self.process.stdout.readline()).group(0)

    def stats(self):
        return stats(self.url)

    def descriptors(self):
        """The fewest of half a second: the connection that asked last may still be there."""
        counts = []
        for _ in range(10):
            counts.append(len(os.listdir(f"/proc/{self.process.pid}/fd")))
            time.sleep(0.05)
        return min(counts)

    def settled(self):
        """The counts once the last answer is over and the last connection gone; what they are after 20 s if not."""
        end = time.monotonic() + 20
        while True:
            seen = self.stats()
            calm = seen["in_flight"]["now"] == 0 and seen["connections"]["open"] == 1
            if calm or time.monotonic() > end:
                return seen
            time.sleep(0.2)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def watch(program, mock):
    """[(requests the server saw, resident bytes, descriptors of llmbench)] until the program ends."""
    points = []
    while program.poll() is None:
        seen = mock.stats()["requests"]["total"]
        with contextlib.suppress(OSError, IndexError, ValueError):
            size, files = resident_bytes(program.pid), len(os.listdir(f"/proc/{program.pid}/fd"))
            if size and files:
                points.append((seen, size, files))
        time.sleep(0.25)
    return points


def run(mock, folder, words):
    """The exit code, what it printed, its JSON report and the points."""
    report = os.path.join(folder, "report.json")
    with open(os.path.join(folder, "out.txt"), "w+", encoding="utf-8") as out:
        program = subprocess.Popen(
            [words.llmbench, "--url", mock.url + "/v1/chat/completions", "--model", "m", "--prompt", "hi", "--offline", "-c",
             str(words.streams), "--duration", f"{words.seconds}s", "--stream", "-q", "--read-timeout", f"{words.read}s",
             "--total-timeout", f"{words.total}s", "--grace", f"{GRACE_S}s", "--max-response-bytes", "1M", "--store", "none", "--outputs-dir",
             folder, "--name", "soak", "--json", report], stdout=out, stderr=subprocess.STDOUT)
        points = watch(program, mock)
        out.seek(0)
        text = out.read()
    with open(report, encoding="utf-8") as made:
        return program.returncode, text, json.load(made), points


class Verdict:
    def __init__(self):
        self.failed = 0

    def say(self, holds, statement):
        self.failed += not holds
        print(f"{'PASS' if holds else 'FAIL'}  {statement}", flush=True)


def judge_counts(verdict, counts, base, text):
    parts = [counts[name] for name in ("ok", "failed", "cancelled", "not_started")]
    verdict.say(counts["due"] == sum(parts), "due %d = ok %d + failed %d + cancelled %d + not started %d"
                % (counts["due"], *parts))
    rows = dict(base.execute("SELECT outcome, count(*) FROM result GROUP BY outcome"))
    named = {name: count for name, count in counts["by_outcome"].items() if count}
    verdict.say(rows == named, f"outcomes are those of the database's {sum(rows.values())} rows: "
                + ", ".join(f"{name} {count}" for name, count in sorted(named.items())))
    table = [int(re.search(rf"{name} requests\s+(\d+)", text).group(1)) for name in ("Total", "Succeed", "Failed")]
    verdict.say(table == [counts["ok"] + counts["failed"], counts["ok"], counts["failed"]],
                "the table says total %d, succeeded %d, failed %d" % tuple(table))


def judge_server(verdict, counts, base, seen, faults):
    sent, resent = base.execute("SELECT count(*), coalesce(sum(resent), 0) FROM result WHERE sent_ns IS NOT NULL").fetchone()
    total = seen["requests"]["total"]
    verdict.say(total == sent + resent, f"the server read {total} requests: {sent} sent + {resent} sent again")
    spoiled, wrong = dict.fromkeys(faults.values(), 0), []
    for name, count in seen["by_fault"].items():
        spoiled[RESENT_OUTCOME if name.endswith("-kept") else faults[name]] += count
    spoiled[RESENT_OUTCOME] -= resent
    for outcome, count in spoiled.items():
        if outcome != "ok" and counts["by_outcome"].get(outcome, 0) != count:
            wrong.append(f"{outcome} {counts['by_outcome'].get(outcome, 0)} for {count}")
    verdict.say(not wrong, f"each of {sum(seen['by_fault'].values())} faults of {len(seen['by_fault'])} kinds has its outcome"
                + "".join(", but " + word for word in wrong))


def judge_memory(verdict, points):
    """Up to EXACT requests the statistics keep every value, and so grow; what is kept for ever is seen beyond."""
    last = points[-1][0]
    half = [point for point in points if point[0] >= max(last / 2, EXACT)]
    if len(half) < 8:
        verdict.say(False, f"only {len(half)} samples of memory in the second half and beyond {EXACT} requests: too short a run")
        return
    growth = slope([point[:2] for point in half]) * PER
    verdict.say(growth < LIMIT_BYTES, "resident memory %.1f MB at the half, %.1f MB at the end, %.1f MB at most: growth in the "
                "second half %.3f MB per 100,000 requests" % (half[0][1] / 1e6, half[-1][1] / 1e6,
                                                             max(point[1] for point in points) / 1e6, growth / 1e6))


def judge_descriptors(verdict, points, streams, before, mock, seen):
    most = max(point[2] for point in points)
    verdict.say(most <= streams + SPARE_DESCRIPTORS, f"llmbench held at most {most} descriptors for {streams} streams")
    after = mock.descriptors()
    verdict.say(after == before and seen["connections"]["open"] == 1,
                f"the server's descriptors are {after}, {before} before; connections open: {seen['connections']['open'] - 1}")


def soak(words):
    faults, verdict = known_faults(words.llmbench), Verdict()
    with tempfile.TemporaryDirectory(prefix="llmbench-soak-") as folder:
        mock = Mock(words.llmbench, faults)
        try:
            before = mock.descriptors()
            code, text, report, points = run(mock, folder, words)
            seen, counts = mock.settled(), report["counts"]
            verdict.say(code == 0, f"exit code {code} after {counts['due']} requests in {words.seconds} s of "
                        f"{words.streams} streams")
            with contextlib.closing(sqlite3.connect(os.path.join(folder, "soak.db"))) as base:
                judge_counts(verdict, counts, base, text)
                judge_server(verdict, counts, base, seen, faults)
            if words.memory:
                judge_memory(verdict, points)
            judge_descriptors(verdict, points, words.streams, before, mock, seen)
        finally:
            mock.stop()
    return verdict.failed


def main():
    parser = argparse.ArgumentParser(prog="bench/soak.sh --faults")
    parser.add_argument("llmbench")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--read", type=int, default=10, help="seconds of the read timeout")
    parser.add_argument("--total", type=int, default=30, help="seconds of the total timeout")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="a short run says nothing of growth")
    words = parser.parse_args()
    words.llmbench = os.path.abspath(words.llmbench)
    return soak(words) > 0


if __name__ == "__main__":
    sys.exit(main())
