"""Makes the small tokenizer of the tests, tokenizer.json beside this file: byte-level BPE, trained on the mock server's
words and on a bundled data set. `python3 make.py` writes the same file every time."""
import collections
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
MERGES = 500
SPECIAL = ["<|endoftext|>", "<|user|>"]


def byte_letters():
    """The visible character that stands for each byte in the vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, spare = {}, 256
    for byte in range(256):
        letters[byte] = chr(byte if byte in plain else spare)
        spare += byte not in plain
    return letters


def corpus():
    with open(os.path.join(ROOT, "src/mock/text.c"), encoding="utf-8") as source:
        table = re.search(r"words\[\] = \{(.*?)\n\};", source.read(), re.S).group(1)
    words = [json.loads(f'"{word}"') for word in re.findall(r'"((?:[^"\\]|\\.)*)"', table)]
    text = " ".join(words) * 40 + "".join(words) * 10
    with open(os.path.join(ROOT, "lua/datasets/samples/openqa.jsonl"), encoding="utf-8") as rows:
        text += " ".join(json.loads(row)["question"] for row in rows)
    return text


def train():
    letters = byte_letters()
    pieces = collections.Counter(re.findall(r" ?[^\W\d_]+| ?\d+| ?[^\w\s]+|\s+", corpus()))
    words = {piece: [letters[byte] for byte in piece.encode()] for piece in pieces}
    merges = []
    while len(merges) < MERGES:
        pairs = collections.Counter()
        for piece, parts in words.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += pieces[piece]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for parts in words.values():
            at = 0
            while at + 1 < len(parts):
                if (parts[at], parts[at + 1]) == best:
                    parts[at:at + 2] = ["".join(best)]
                at += 1
    return letters, merges


def main():
    letters, merges = train()
    tokens = [letters[byte] for byte in range(256)] + ["".join(pair) for pair in merges]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    whole = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": len(vocabulary) + at, "content": text, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True} for at, text in enumerate(SPECIAL)],
        "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary,
                  "merges": [" ".join(pair) for pair in merges]},
    }
    with open(os.path.join(HERE, "tokenizer.json"), "w", encoding="utf-8") as out:
        json.dump(whole, out, ensure_ascii=False, indent=0)
        out.write("\n")


if __name__ == "__main__":
    main()
