"""What bench/soak.sh does."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

LIMIT_BYTES = 1e6  # of growth per 100,000 requests
PER = 100_000


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def stats(url):
    with urllib.request.urlopen(url + "/stats", timeout=30) as answer:
        return json.load(answer)


def sample(program, url):
    """Pairs of (requests the server saw, resident bytes) until the program ends."""
    points = []
    while program.poll() is None:
        seen = stats(url)["requests"]["total"]
        try:
            points.append((seen, resident_bytes(program.pid)))
        except (OSError, IndexError, ValueError):
            break
        time.sleep(0.25)
    return [point for point in points if point[1]]


def slope(points):
    """Bytes a request, by least squares."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def soak(llmbench, requests, folder):
    mock = subprocess.Popen([llmbench, "mock", "--port", "0", "--ttft", "0", "--itl", "0", "--tokens", "1"],
                            stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://\S+", mock.stdout.readline()).group(0)
        report = os.path.join(folder, "report.json")
        begun = time.monotonic()
        program = subprocess.Popen([llmbench, "--url", url + "/v1/chat/completions", "--model", "m", "--prompt", "hi", "-c",
                                    "32", "-n", str(requests), "-q", "--outputs-dir", folder, "--json", report],
                                   stdout=subprocess.DEVNULL)
        points = sample(program, url)
        seconds = time.monotonic() - begun
        if program.wait() != 0:
            sys.exit(f"soak: the run failed with {program.returncode}")
        with open(report, encoding="utf-8") as text:
            counts = json.load(text)["counts"]
        if counts["ok"] != requests:
            sys.exit(f"soak: {counts['ok']} of {requests} requests succeeded")
        return points, seconds
    finally:
        mock.terminate()
        mock.wait()


def main(llmbench, requests):
    with tempfile.TemporaryDirectory(prefix="llmbench-soak-") as folder:
        points, seconds = soak(os.path.abspath(llmbench), requests, folder)
    half = [point for point in points if point[0] >= requests / 2]
    if len(half) < 8:
        sys.exit(f"soak: only {len(half)} samples in the second half; ask for more requests")
    growth = slope(half) * PER
    peak = max(size for _, size in points)
    print(f"{requests} requests in {seconds:.1f} s, {requests / seconds:.0f}/s")
    print(f"resident: {half[0][1] / 1e6:.2f} MB at the half, {half[-1][1] / 1e6:.2f} MB at the end, {peak / 1e6:.2f} MB at most")
    print(f"growth in the second half: {growth / 1e6:.3f} MB per 100,000 requests ({len(half)} samples)")
    return growth >= LIMIT_BYTES


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
