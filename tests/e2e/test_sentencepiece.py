"""tokenizer.model: with libsentencepiece its ids are those of the tokenizer.json that says the same; without it the error names it."""
import json
import os
import struct
import subprocess
import sys
import unittest

from harness import PATIENCE, SOURCE, Case

sys.path.insert(0, os.path.join(SOURCE, "tests", "oracle"))
import made  # noqa: E402
import strings  # noqa: E402

NORMAL, UNKNOWN, CONTROL, _, _, BYTE = range(1, 7)


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A field of a protocol buffer: bytes, a float or a whole number."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def kind_of(piece):
    return {"<unk>": UNKNOWN, "<s>": CONTROL, "</s>": CONTROL}.get(piece, BYTE if piece.startswith("<0x") else NORMAL)


def model(vocabulary):
    """A Unigram model that keeps blanks as they are and puts one before the text."""
    pieces = b"".join(field(1, field(1, piece.encode()) + field(2, float(score)) + field(3, kind_of(piece))) for piece, score in vocabulary)
    trainer = field(3, 1) + field(35, 1)
    normalizer = field(1, b"identity") + field(3, 1) + field(4, 0) + field(5, 1)
    return pieces + field(2, trainer) + field(3, normalizer)


class SentencePiece(Case):
    def setUp(self):
        super().setUp()
        self.description = made.unigram_bytes()
        self.model = self.write("tokenizer.model", model(self.description["model"]["vocab"]))

    def tokenize(self, path, texts, *args):
        process = self.spawn("tokenize", "--tokenizer-path", path, *args, stdin=subprocess.PIPE)
        out, err = process.communicate("".join(json.dumps(text) + "\n" for text in texts).encode(), timeout=PATIENCE)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()

    def built_with_it(self):
        code, _, err = self.tokenize(self.model, ["a"])
        if code == 0:
            return True
        self.assertEqual(code, 3)
        self.assertIn("tokenizer.model: a SentencePiece model is read by libsentencepiece, which this llmbench was built without", err)
        return False

    def test_same_as_json(self):
        if not self.built_with_it():
            self.skipTest("built without libsentencepiece")
        texts = [strings.repaired(text) for _, text in strings.strings()]
        texts = [text for text in texts if text and not any(name in text for name in ("<s>", "</s>", "<unk>", "<0x"))]
        texts = [text for text in texts if "\0" not in text]
        self.assertGreater(len(texts), 1000)
        description = self.write("same.json", json.dumps(self.description))
        _, want, _ = self.tokenize(description, texts)
        _, got, err = self.tokenize(self.work, texts)  # the folder has no tokenizer.json, so its tokenizer.model counts
        for theirs, ours in zip(want, got):
            self.assertEqual(ours["ids"], theirs["ids"], repr(ours["text"]))
        self.assertEqual(len(got), len(texts), err)

    def test_and_back(self):
        if not self.built_with_it():
            self.skipTest("built without libsentencepiece")
        texts = ["Hello, world!", " two  blanks ", "你好 😀", "\u0301x"]
        _, lines, _ = self.tokenize(self.model, texts)
        _, back, _ = self.tokenize(self.model, [line["ids"] for line in lines], "--decode")
        self.assertEqual([line["text"] for line in back], texts)

    def test_damaged(self):
        if not self.built_with_it():
            self.skipTest("built without libsentencepiece")
        with open(self.model, "rb") as file:
            whole = file.read()
        for name, damaged in (("cut", whole[:1000]), ("empty", b""), ("text", b"hello\n" * 100)):
            code, _, err = self.tokenize(self.write(name + ".model", damaged), ["a"])
            self.assertEqual(code, 3, name)
            self.assertIn(f"{name}.model: libsentencepiece: ", err)


if __name__ == "__main__":
    unittest.main()
