#!/usr/bin/env python3
"""Measures a server from Python: runs llmbench, reads its JSON report, then asks the run's database. Standard library only.

    python3 from_python.py http://127.0.0.1:8000 --model qwen --number 50 --parallel 8

The program is `llmbench` in PATH, or what $LLMBENCH names.
"""
import argparse
import json
import os
import sqlite3
import subprocess
import sys

MEASURED = "stage IN (SELECT id FROM stage WHERE NOT warmup)"
SLOWEST = f"""SELECT arrival, first_chunk_latency, latency, completion_tokens, text FROM result
              WHERE success=1 AND {MEASURED} ORDER BY latency DESC LIMIT 3"""
FAILED = f"SELECT outcome, count(*), min(error) FROM result WHERE success=0 AND {MEASURED} GROUP BY outcome"


def measure(url, **options):
    """The JSON report of one run; options are those of the command line, with _ for -."""
    words = [os.environ.get("LLMBENCH", "llmbench"), "run", url, "--json", "-", "--stream", "--quiet"]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    # With `--json -` the report alone is on standard output; tables and errors go to standard error.
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        sys.exit(f"cannot start {words[0]}: {error.strerror}; install it or set LLMBENCH")
    if not done.stdout:
        sys.exit(done.stderr.strip() or f"llmbench ended with {done.returncode}")
    return json.loads(done.stdout)


def milliseconds(seconds):
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--model", required=True)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=4)
    wanted = parser.parse_args()
    report = measure(wanted.url, model=wanted.model, number=wanted.number, parallel=wanted.parallel)

    counts, metrics = report["counts"], report["metrics"]
    print(f"{counts['ok']} of {counts['due']} requests succeeded")
    for name in ("ttft", "latency", "tpot"):
        print(f"{name}: p50 {milliseconds(metrics[name]['p50'])}, p99 {milliseconds(metrics[name]['p99'])}")
    print(f"output tokens per second: {metrics['output_throughput']['value']}")
    print("the numbers can be trusted" if report["verdict"]["sound"] else f"not sound: {report['verdict']['reasons']}")

    base = sqlite3.connect(f"file:{report['database']}?mode=ro", uri=True)
    for arrival, first, latency, tokens, text in base.execute(SLOWEST):
        print(f"slow: request {arrival}, first chunk {milliseconds(first)}, all {milliseconds(latency)}, "
              f"{tokens} tokens: {(text or '')[:40]!r}")
    for outcome, count, example in base.execute(FAILED):
        print(f"failed: {count} times {outcome}, for example: {example}")
    base.close()
    return 0 if counts["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
