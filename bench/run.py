"""Measures llmbench beside a raw-epoll client, an aiohttp client and wrk, all against `llmbench mock`, in alternation, and prints medians
and ratios of medians. bench/run.sh calls it. Server on the first core, clients on the second.  Usage: run.py BUILD [CASE…]"""
import fcntl
import json
import os
import re
import resource
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
LATE_MS = 5  # a server whose sends were later than this (p99) was not ahead of its clients
SERVER_CORE, CLIENT_CORE = "0", "1"


class Mock:
    """The server, on its own core, with its own account of what it did."""
    def __init__(self, program, *words, jitter="0%", core=SERVER_CORE):
        self.process = subprocess.Popen([*(["taskset", "-c", core] if core else []), program, "mock", "--port", "0", "--jitter", jitter, *words],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.search(r":(\d+)", self.process.stdout.readline().split("http:")[1]).group(1))

    def ask(self, path, data=None):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def reset(self):
        self.ask("/reset", b"")

    def late_ms(self):
        return self.ask("/stats")["lateness_us"]["p99"] / 1e3

    def end(self):
        self.process.terminate()
        self.process.wait()


def spent(words):
    """Runs a command on the client's core: its output, CPU seconds, peak memory in KB, seconds."""
    return spent_anywhere(["taskset", "-c", CLIENT_CORE, *words])


def spent_anywhere(words):
    with tempfile.TemporaryFile("w+") as out:
        begun = time.monotonic()
        process = subprocess.Popen(list(map(str, words)), stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return process.returncode, out.read(), usage.ru_utime + usage.ru_stime, usage.ru_maxrss, seconds


# ---- the clients: each returns a dictionary with at least cpu_s, requests, events, rss_kb ----

def raw(bench, load, *flags):
    code, out, *_ = spent([bench.raw, load.mock.port, load.connections, load.requests, load.tokens, "--query", load.query, *flags,
                           *(["--plain"] if load.plain else [])])
    assert code == 0, "raw failed"
    return json.loads(out)


def aiohttp(bench, load, *flags):
    code, out, *_ = spent(["/usr/bin/python3", os.path.join(HERE, "aio_client.py"), load.mock.port, load.connections, load.requests,
                           load.tokens, "--query", load.query, *flags, *(["--plain"] if load.plain else [])])
    assert code == 0, "aio_client.py failed"
    return json.loads(out)


def wrk(bench, load, *_):
    seconds = 4
    script = os.path.join(bench.folder, "wrk.lua")
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Count to ten."}], "max_tokens": load.tokens, "ignore_eos": True})
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"wrk.method = 'POST'\nwrk.body = [[{body}]]\nwrk.headers['Content-Type'] = 'application/json'\n")
    code, out, cpu, rss, _ = spent(["wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", "-s", script,
                                    f"http://127.0.0.1:{load.mock.port}/v1/chat/completions?{load.query}"])
    assert code == 0, "wrk failed"
    requests = int(next(line for line in out.splitlines() if "requests in" in line).split()[0])
    return {"requests": requests, "events": 0, "cpu_s": cpu, "rss_kb": rss}


def llmbench(bench, load, *flags, spent=spent):
    name = f"run{time.monotonic_ns()}"
    report = os.path.join(bench.folder, "report.json")
    url = f"http://127.0.0.1:{load.mock.port}/v1/chat/completions" + ("?" + load.query if load.query else "")
    words = [bench.program, "--url", url, "--model", "m", "--prompt", "Count to ten.", "-n", load.requests, "-c", load.connections,
             "--max-tokens", load.tokens, "--extra-args", '{"ignore_eos":true}', "--name", name, "--outputs-dir", bench.folder, "-q",
             "--json", report]
    if not load.plain:
        words.append("--stream")
    words += [flag for flag in flags if flag == "--pin"]
    code, _, cpu, rss, seconds = spent(words)
    assert code == 0, f"llmbench ended with {code}"
    with open(report, encoding="utf-8") as file:
        said = json.load(file)
    stage = said["stages"][0] if "stages" in said else said
    database = os.path.join(bench.folder, name + ".db")
    found = {"requests": load.requests, "answer_kb": answer_bytes(database) / 1024, "events": load.requests * (load.tokens + 4), "cpu_s": cpu, "rss_kb": rss, "seconds": seconds,
             "worker_s": stage["trust"]["worker_cpu_s"], "trust": stage["trust"], "sound": stage["verdict"]["sound"],
             "reasons": stage["verdict"]["reasons"]}
    if "--errors" in flags:
        found.update(errors(database))
    for end in (".db", ".log", ".db-wal", ".db-shm"):
        path = os.path.join(bench.folder, name + end)
        if os.path.exists(path):
            os.remove(path)
    return found


def answer_bytes(path):
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    total = base.execute("SELECT sum(length(response_messages)) FROM result").fetchone()[0]
    base.close()
    return total or 0


def errors(path):
    """How far the stored times are from those in the events themselves: also of the gaps that no coalesced event touches."""
    itl, exact, ttft, marked, late = [], [], [], 0, 0
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for events, messages, sent in base.execute("SELECT events, response_messages, sent_ns FROM result WHERE success"):
        said = json.loads(events)
        together = set(said.get("coalesced", ()))
        before = None
        for i, (kind, text) in enumerate(zip(said["k"], json.loads(messages))):
            if kind != "c":
                continue
            event = json.loads(text)
            now = (sent + said["t"][i], event["sent_ns"], i in together)
            if before:
                error = abs((now[0] - before[0]) - (now[1] - before[1]))
                itl.append(error)
                if now[2] or before[2]:
                    marked += 1
                else:
                    exact.append(error)
                    late += error > 1_000_000
            elif event.get("read_ns"):
                ttft.append(abs(said["t"][i] - (event["sent_ns"] - event["read_ns"])))
            before = now
    base.close()
    return {"itl_us": spread(itl), "exact_us": spread(exact), "ttft_us": spread(ttft), "marked": marked / max(1, len(itl)), "late_unmarked": late}


def spread(values):
    values.sort()
    at = lambda q: round(values[int(q * (len(values) - 1))] / 1e3, 1) if values else 0
    return {"n": len(values), "p50": at(.5), "p99": at(.99), "max": at(1)}


# ---- the loads ----

class Load:
    def __init__(self, mock, connections, requests, tokens, query="", plain=False, timed=True):
        self.mock, self.connections, self.requests, self.tokens = mock, connections, requests, tokens
        self.query, self.plain = query, plain
        self.timed = timed and not plain  # the server has a schedule that it must keep


class Bench:
    def __init__(self, build):
        self.program, self.raw = os.path.join(build, "llmbench"), os.path.join(build, "bench", "raw")
        self.folder = tempfile.mkdtemp(prefix="llmbench-bench-")


def alternate(bench, load, clients, rounds=ROUNDS, *flags):
    """Each client so many times, the order reversed each round; the runs in which the server was late are left out, and told."""
    found = {client.__name__: [] for client in clients}
    for i in range(rounds):
        for client in clients if i % 2 == 0 else reversed(clients):
            load.mock.reset()
            result = client(bench, load, *flags)
            late = load.mock.late_ms()
            if late > LATE_MS and load.timed:
                print(f"    (a run of {client.__name__} does not count: the server itself was {late:.1f} ms late, p99)")
                continue
            found[client.__name__].append(result)
    return found


def median(runs, value):
    values = [value(run) for run in runs]
    return statistics.median(values) if values else float("nan")


def per_event(bench, title, load, clients, unit="event"):
    print(f"\n{title}")
    found = alternate(bench, load, clients)
    count = (lambda run: run["events"]) if unit == "event" else (lambda run: run["requests"])
    rows = {name: median(runs, lambda run: run["cpu_s"] / count(run) * 1e6) for name, runs in found.items()}
    rows["llmbench, its worker"] = median(found["llmbench"], lambda run: run["worker_s"] / count(run) * 1e6)
    base = rows["wrk" if "wrk" in rows else "raw"]
    for name, value in sorted(rows.items(), key=lambda row: row[1]):
        print(f"    {name:24} {value:8.2f} us CPU a {unit}   {value / base:6.2f} x {'wrk' if 'wrk' in rows else 'raw'}")


def paced(bench, streams, itl_ms=20, tokens=100, clients=(raw, llmbench, aiohttp)):
    mock = Mock(bench.program, "--ttft", f"{itl_ms}ms", "--itl", f"{itl_ms}ms")
    load = Load(mock, streams, streams * 4, tokens)
    per_event(bench, f"{streams} streams at {1000 / itl_ms:g} events/s, 4 answers of {tokens} tokens a connection", load, clients)
    mock.end()


def bulk(bench):
    mock = Mock(bench.program, "--ttft", "0ms", "--itl", "0ms")
    load = Load(mock, 64, 256, 3200, "coal=32", timed=False)
    per_event(bench, "bulk: 64 streams as fast as they come, 32 events a segment", load, [raw, llmbench, aiohttp])
    mock.end()


def plain(bench):
    mock = Mock(bench.program, "--ttft", "0ms", "--itl", "0ms")
    load = Load(mock, 64, 30000, 10, plain=True)
    per_event(bench, "plain requests, 64 connections kept open", load, [wrk, raw, llmbench], "request")
    load.requests = 3000
    per_event(bench, "the same with aiohttp, 3,000 requests", load, [raw, llmbench, aiohttp], "request")
    mock.end()


def accuracy(bench):
    print("\nerror against the server's own stamps, 20 ms between tokens, TTFT 100 ms (us)")
    print(f"    {'streams':>7} {'client':18} {'ITL p50':>9} {'p99':>9} {'max':>9} {'TTFT p50':>9} {'p99':>9}")
    mock = Mock(bench.program, "--ttft", "100ms", "--itl", "20ms", jitter="50%")
    for streams in (1, 100, 1000, 4000, 10000):
        tokens = 100 if streams <= 1000 else 25
        load = Load(mock, streams, max(streams * 2, 10), tokens, "" if streams <= 1000 else "itl=200")
        for name, client, flags in (("raw", raw, ()), ("raw, kernel stamps", raw, ("--kernel",)), ("llmbench", llmbench, ()), ("aiohttp", aiohttp, ())):
            if client is aiohttp and streams > 1000:
                continue
            mock.reset()
            run = client(bench, load, "--errors", *flags)
            itl, ttft = run["itl_us"], run["ttft_us"]
            print(f"    {streams:7} {name:18} {itl['p50']:9.1f} {itl['p99']:9.1f} {itl['max']:9.1f} {ttft['p50']:9.1f} {ttft['p99']:9.1f}"
                  + (f"   {100 * run['marked']:.1f} % of the gaps marked; the others: p99 {run['exact_us']['p99']}, "
                     f"{run['late_unmarked']} over 1 ms; sound: {run['sound']}" if client is llmbench else "")
                  + (f"   server {mock.late_ms():.1f} ms late" if mock.late_ms() > LATE_MS else ""))
    mock.end()


def memory(bench):
    print("\nmemory, 10,000 streams at once against 100 (answers of 25 tokens)")
    mock = Mock(bench.program, "--ttft", "3000ms", "--itl", "200ms")
    for name, client in (("raw", raw), ("llmbench", llmbench)):
        few = client(bench, Load(mock, 100, 100, 25))
        many = client(bench, Load(mock, 10000, 10000, 25))
        grown, answers = ((many.get(field, 0) - few.get(field, 0)) / 1024 / 9.9 for field in ("rss_kb", "answer_kb"))
        print(f"    {name:18} {grown:6.1f} MB for 1,000 streams, of which the answers that are kept {answers:.1f}, the rest {grown - answers:.1f}")
    mock.end()


def growth(bench):
    print("\nCPU of the worker a request as busy connections grow (answers after 500 ms, us)")
    mock = Mock(bench.program, "--ttft", "500ms", "--itl", "0ms")
    first = None
    for connections in (100, 1000, 4000, 10000):
        run = median([llmbench(bench, Load(mock, connections, max(4000, connections * 3), 4, plain=True)) for _ in range(ROUNDS)],
                     lambda run: run["worker_s"] / run["requests"] * 1e6)
        first = first or run
        print(f"    {connections:7} connections {run:8.1f} us   {run / first:5.2f} x")
    mock.end()


def arrivals(bench):
    print("\nopen loop, 2,000 arrivals/s for 10 s")
    mock = Mock(bench.program, "--ttft", "20ms", "--itl", "5ms", "--tokens", "4")
    report = os.path.join(bench.folder, "open.json")
    code, *_ = spent([bench.program, "--url", f"http://127.0.0.1:{mock.port}/v1/chat/completions", "--model", "m", "--prompt", "Hi", "--rate", 2000,
                      "-n", 20000, "--stream", "--name", "open", "--outputs-dir", bench.folder, "-q", "--json", report])
    with open(report, encoding="utf-8") as file:
        said = json.load(file)
    stage = said["stages"][0] if "stages" in said else said
    lag = stage["trust"]["schedule_lag"]
    print(f"    exit {code}; schedule lag p50 {lag['p50'] * 1e6:.0f} us, p99 {lag['p99'] * 1e6:.0f} us, max {lag['max'] * 1e3:.2f} ms; "
          f"{mock.ask('/stats')['requests']['total']} requests at the server; sound: {stage['verdict']['sound']} {stage['verdict']['reasons']}")
    mock.end()


def pinning(bench):
    """Nothing is bound to a core but by --pin itself: the server, too, runs where the system puts it."""
    print("\n--pin, 1,000 streams at 50 events/s, the system free to move every thread (us)")
    mock = Mock(bench.program, "--ttft", "20ms", "--itl", "20ms", jitter="50%", core=None)
    load = Load(mock, 1000, 2000, 100)
    for i in range(ROUNDS):
        for flags in ((), ("--pin",)) if i % 2 == 0 else (("--pin",), ()):
            mock.reset()
            run = llmbench(bench, load, "--errors", *flags, spent=spent_anywhere)
            lag, delay = run["trust"]["loop_lag"], run["trust"]["receive_delay"]
            print(f"    {flags[0] if flags else '':8} worker {run['worker_s'] / run['events'] * 1e6:6.2f} us an event; loop lag p99 {lag['p99'] * 1e6:8.1f}, receive delay p99 "
                  f"{delay['p99'] * 1e6:8.1f}, ITL error p99 {run['itl_us']['p99']:8.1f}, {100 * run['marked']:.1f} % of the gaps marked")
    mock.end()


def start_up(bench):
    """From exec to the first byte of the first benchmark request at a server."""
    data = os.path.join(bench.folder, "prompts.jsonl")
    with open(data, "w", encoding="utf-8") as file:
        line = json.dumps({"question": "x" * 1000}) + "\n"
        for _ in range(500_000_000 // len(line)):
            file.write(line)
    print("\nstart-up: from exec to the first byte of a request at the server")
    for name, words in (("a prompt", ["--prompt", "Hi"]), ("500 MB of prompts", ["--dataset", "openqa", "--dataset-path", data])):
        times = []
        for i in range(max(5, ROUNDS)):
            with socket.create_server(("127.0.0.1", 0)) as server:
                begun = time.monotonic()
                process = subprocess.Popen([bench.program, "--url", f"http://127.0.0.1:{server.getsockname()[1]}/v1/chat/completions", "--model", "m",
                                            "-n", "1", "--name", f"start{i}{name[0]}", "--outputs-dir", bench.folder, "-q", *words],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while True:  # the first connection only asks whether anybody is there
                    connection, _ = server.accept()
                    if connection.recv(1):
                        break
                times.append((time.monotonic() - begun) * 1e3)
                process.kill()
                process.wait()
                connection.close()
        print(f"    {name:18} {statistics.median(times):6.1f} ms")
    os.remove(data)


def size(bench):
    stripped = os.path.join(bench.folder, "stripped")
    subprocess.run(["strip", "-o", stripped, bench.program], check=True)
    print(f"\nbinary with its scripts: {os.path.getsize(bench.program) / 1e6:.2f} MB, stripped {os.path.getsize(stripped) / 1e6:.2f} MB")


CASES = {"paced": lambda bench: [paced(bench, 300), paced(bench, 1000), paced(bench, 3000), paced(bench, 3000, 80, 40)], "bulk": bulk, "plain": plain, "accuracy": accuracy, "memory": memory,
         "growth": growth, "arrivals": arrivals, "pinning": pinning, "start_up": start_up, "size": size}


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "?")
    print(f"{time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores, {model}; Linux {os.uname().release}; load {os.getloadavg()[0]:.1f}; "
          f"{ROUNDS} rounds; server on core {SERVER_CORE}, clients on core {CLIENT_CORE}")


def main():
    bench = Bench(sys.argv[1])
    wanted = sys.argv[2:] or list(CASES)
    for name in wanted:
        if name not in CASES:
            sys.exit(f"run.py: unknown case '{name}'; there are: {', '.join(CASES)}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open("/tmp/llmbench-bench.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would measure each other
        machine()
        for name in wanted:
            CASES[name](bench)
            sys.stdout.flush()


main()
