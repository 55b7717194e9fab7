"""The strings on which llmbench and the oracles must agree: (kind, bytes), the same in every run."""
import os
import random
import re
from unicodedata import ucd_3_2_0 as frozen


def unescape(text):
    return re.sub(r"\\(x..|u....|U.{8}|.)", lambda found: {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}.get(found[1])
                  or chr(int(found[1][1:], 16)), text)


def written():
    """The strings of strings.txt with their kinds."""
    kind = None
    with open(os.path.join(os.path.dirname(__file__), "strings.txt"), encoding="utf-8", newline="\n") as lines:
        for line in lines.read().split("\n")[1:-1]:
            if line.startswith("## "):
                kind = line[3:]
            else:
                yield kind, unescape(line)


WORDS = [word for _, text in written() for word in text.split()]
ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ '’-.,",
    "han": "".join(map(chr, range(0x4e00, 0x5200))) + "，。 ",
    "kana": "".join(map(chr, range(0x3041, 0x30ff))),
    "hangul": "".join(map(chr, range(0xac00, 0xb000))) + " ",
    "arabic": "".join(map(chr, range(0x620, 0x660))) + " ",
    "devanagari": "".join(map(chr, range(0x900, 0x970))) + " ",
    "marks": "ao" + "".join(map(chr, range(0x300, 0x340))),
    "spaces": " \t\n\r\v\f\x85\xa0\u2003\u2028\u3000a.1",
    "symbols": "".join(map(chr, range(0x21, 0x30))) + "".join(map(chr, range(0x2190, 0x21ff))) + " a",
    "emoji": "".join(map(chr, range(0x1f600, 0x1f640))) + "\u200d\ufe0f♀👩👨🏽🇩🇪",
    "planes": "a 1" + "".join(map(chr, range(0x10400, 0x10450))) + "".join(map(chr, range(0x20000, 0x20040))),
    "digits": "0123456789.,-+eE ٠١२３",
    "mixed": "aA1 .\n'字かe\u0301😀क\u093f\u200dא١ſ\u2028\u00a0_#<|>▁",
}


def made(rng):
    for name, alphabet in ALPHABETS.items():
        for size in (1, 2, 3, 5, 8, 13, 21, 40, 80, 200):
            yield f"random {name}", "".join(rng.choice(alphabet) for _ in range(size))
    for size in (5, 20, 60, 150):
        for _ in range(8):
            yield "random words", "".join(rng.choice(WORDS) + rng.choice(["", " ", " ", "  ", "\n", ", "]) for _ in range(size))


def long(rng):
    yield "long line", "a" * 3000
    yield "long line", " " * 3000
    yield "long line", "\n" * 2000 + "x"
    yield "long line", "ab" * 2000 + " " + "0123456789" * 200
    yield "long line", "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(6000))
    yield "long line", "".join(rng.choice(ALPHABETS["han"]) for _ in range(3000))
    yield "long line", "".join(rng.choice(ALPHABETS["mixed"]) for _ in range(5000))
    yield "long line", "=" * 1000 + "-" * 1000 + "." * 999
    yield "long line", "的" * 2000 + "😀" * 500 + "e\u0301" * 500
    yield "long line", "a\u0301\u0302" * 300 + "\u0301" * 500
    yield "long line", " ".join(rng.choice(WORDS) for _ in range(2000))


def characters():
    """Every character of Unicode 3.2 (a version that all libraries know) but most ideographs and syllables, in three places each."""
    codes = [code for code in range(0x80, 0x20000) if frozen.category(chr(code)) not in ("Cn", "Cs", "Co")
             and not (0x3400 <= code < 0xd7a4 and code % 97)]
    for start in range(0, len(codes), 40):
        yield "character", "".join(f"a{chr(code)} {chr(code)}b{chr(code)}1" for code in codes[start:start + 40])


def broken(rng):
    """Not UTF-8: cut characters, lone continuation bytes, surrogates, overlong forms, bytes that never occur."""
    for text in (b"\xff", b"\xfe\xfe\xff\xff", b"a\x80b", b"\xe4\xbd", b"\xe4\xbdA", b"\xf0\x9f\x98", b"\xf0\x9f\x98 \xf0\x9f", b"\xc0\xaf",
                 b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b"\xf5\x80",
                 b"\xc3\x28", b"\xe2\x28\xa1", b"\xe2\x82\x28", b"\xf0\x28\x8c\xbc", b"\xf0\x90\x28\xbc", b"\xf8\x88\x80\x80\x80",
                 "你好".encode()[:-1], b" \xe4 \xbd \xa0 ", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", b"ab\xc3", b"\xc2\x85\xc2"):
        yield "broken", text
    for _ in range(30):
        text = bytearray(" ".join(rng.choice(WORDS) for _ in range(6)).encode())
        for _ in range(4):
            text[rng.randrange(len(text))] = rng.randrange(0x80, 256)
        yield "broken", bytes(text)
    for _ in range(10):
        yield "broken", bytes(rng.randrange(256) for _ in range(60))


def strings():
    rng = random.Random(20261123)
    out = list(written())
    out += [("byte", chr(byte)) for byte in range(128)]
    out += [("byte", f"a{chr(byte)}b {chr(byte)}1") for byte in range(256)]
    out += list(made(rng)) + list(long(rng)) + list(broken(rng)) + list(characters())
    return [(kind, text if isinstance(text, bytes) else text.encode("utf-8")) for kind, text in out]


def repaired(text):
    """What an oracle is given: each maximal subpart of what is not UTF-8 is U+FFFD (Unicode 3.9, as Python does it)."""
    return text.decode("utf-8", errors="replace")


if __name__ == "__main__":
    every = strings()
    print(len(every), "strings,", sum(len(text) for _, text in every), "bytes")
