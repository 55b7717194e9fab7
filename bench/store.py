"""What bench/store.sh does."""
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

# name, requests, concurrency, URL parameters of the mock, further options
LOADS = [
    ("large plain answers", 1500, 16, "tokens=50000&ttft=0&itl=0", []),
    ("streams in bulk", 1500, 16, "tokens=2000&coal=32&ttft=0&itl=0", ["--stream"]),
    ("short answers", 30000, 32, "tokens=4&ttft=0&itl=0", []),
]


def main_cpu_s(pid):
    """CPU seconds of the process's first thread so far; None once it is gone."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as stat:
            return int(stat.read().split()[0]) / 1e9
    return None


def run(llmbench, url, load, more, folder):
    name, requests, parallel, query, options = load
    with tempfile.TemporaryDirectory(dir=folder) as outputs:
        report = os.path.join(outputs, "report.json")
        process = subprocess.Popen([llmbench, "--url", f"{url}/v1/chat/completions?{query}", "--model", "m", "--prompt", "hi",
                                    "-c", str(parallel), "-n", str(requests), "-q", "--outputs-dir", outputs, "--name", "run",
                                    "--json", report, *options, *more], stdout=subprocess.DEVNULL)
        cpu = 0
        while process.poll() is None:
            cpu = main_cpu_s(process.pid) or cpu
            time.sleep(0.01)
        if process.returncode:
            sys.exit(f"store: {name}: the run failed with {process.returncode}")
        with open(report, encoding="utf-8") as text:
            found = json.load(text)
        if found["counts"]["ok"] != requests:
            sys.exit(f"store: {name}: {found['counts']['ok']} of {requests} requests succeeded")
        trust = found["trust"]
        return {"mb": os.path.getsize(os.path.join(outputs, "run.db")) / 1e6, "cpu": cpu,
                "seconds": found["window"]["seconds"], "lag": trust["loop_lag"]["p99"],
                "worker": trust["worker_cpu_s"], "scorer": trust["scorer_cpu_s"],
                "held": trust["held"], "left": trust["bodies_left_out"]}


def median(runs, key):
    return statistics.median(one[key] for one in runs)


def show(load, stored, bare):
    size, cpu, seconds = median(stored, "mb"), median(stored, "cpu"), median(stored, "seconds")
    print(f"{load[0]}: {load[1]} requests in {seconds:.2f} s")
    print(f"  database {size:.1f} MB, {size / seconds:.0f} MB/s; main {cpu:.2f} s of CPU: {size / cpu:.0f} MB a second of it, "
          f"{cpu / load[1] * 1e6:.0f} us a request")
    print(f"  worker {median(stored, 'worker'):.2f} s, scorer {median(stored, 'scorer'):.2f} s; held {median(stored, 'held'):.0f}, "
          f"bodies left out {median(stored, 'left'):.0f}")
    print(f"  loop lag p99 {median(stored, 'lag') * 1e6:.0f} us; with --store none {median(bare, 'lag') * 1e6:.0f} us "
          f"(main {median(bare, 'cpu'):.2f} s of CPU)")


def main(llmbench, rounds):
    mock = subprocess.Popen([llmbench, "mock", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://\S+", mock.stdout.readline()).group(0)
        with tempfile.TemporaryDirectory(prefix="llmbench-store-") as folder:
            for load in LOADS:
                stored, bare = [], []
                for _ in range(rounds):
                    stored.append(run(llmbench, url, load, [], folder))
                    bare.append(run(llmbench, url, load, ["--store", "none"], folder))
                show(load, stored, bare)
    finally:
        mock.terminate()
        mock.wait()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), int(sys.argv[2]))
