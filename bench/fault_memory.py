"""What bench/soak.sh --fault-memory does."""
import argparse
import collections
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

from soak_faults import known_faults

RESPONSE, MEMORY = "256K", "512M"  # ceilings of an answer and of all that is on its way
BOUND_BYTES = 1 << 30              # the ceiling, the program, libraries' buffers, what the allocator cannot reuse


def peak_bytes(pid):
    """The most that the process had resident so far; 0 once it is gone."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return 0


def measure(llmbench, url, streams, folder):
    """The peak in bytes and the outcomes of two requests a stream."""
    program = subprocess.Popen(
        [llmbench, "--url", url, "--model", "m", "--prompt", "hi", "--offline", "--api", "openai", "-c", str(streams), "-n",
         str(2 * streams), "--stream", "-q", "--read-timeout", "3s", "--total-timeout", "6s", "--max-response-bytes", RESPONSE,
         "--max-memory", MEMORY, "--outputs-dir", folder, "--name", "run"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    peak = 0
    while program.poll() is None:
        peak = max(peak, peak_bytes(program.pid))
        time.sleep(0.01)
    with contextlib.closing(sqlite3.connect(os.path.join(folder, "run.db"))) as base:
        return peak, collections.Counter(row[0] for row in base.execute("SELECT outcome FROM result"))


def main():
    parser = argparse.ArgumentParser(prog="bench/soak.sh --fault-memory")
    parser.add_argument("llmbench")
    parser.add_argument("--streams", type=int, default=1000)
    words = parser.parse_args()
    llmbench, failed = os.path.abspath(words.llmbench), False
    mock = subprocess.Popen([llmbench, "mock", "--port", "0", "--ttft", "20ms", "--itl", "5ms", "--tokens", "16"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = re.search(r"http://\S+", mock.stdout.readline()).group(0) + "/v1/chat/completions"
        for name in (None, *known_faults(llmbench)):
            with tempfile.TemporaryDirectory(prefix="llmbench-soak-") as folder:
                peak, outcomes = measure(llmbench, f"{url}?fault={name}" if name else url, words.streams, folder)
            failed |= peak >= BOUND_BYTES
            print(f"{'FAIL' if peak >= BOUND_BYTES else 'PASS'}  {name or 'none':13} {peak / 1e6:6.1f} MB at most   "
                  + ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common()), flush=True)
    finally:
        mock.terminate()
        mock.wait()
        mock.stdout.close()
    return failed


if __name__ == "__main__":
    sys.exit(main())
