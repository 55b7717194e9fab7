"""Small tokenizer.json files made for the test, of the kinds that no pinned package has: Unigram and WordPiece."""
import base64
import random
import struct
import unicodedata

import strings

# ---- a charsmap: u32 size of the trie, a double array, texts that end in NUL ----


class DoubleArray:
    """The array that Darts-clone makes and SentencePiece keeps: a unit is a label, an offset and "has a leaf"."""

    def __init__(self, rules):
        self.units, self.taken, self.lowest = [0], {0}, 1
        tree = {}
        for key, value in rules.items():
            node = tree
            for byte in key:
                node = node.setdefault(byte, {})
            node[None] = value
        self._place(0, tree)

    def _place(self, at, node):
        labels = [0 if byte is None else byte for byte in node]
        offset = self._offset(at, labels)
        self.units[at] |= offset << 10 | (None in node) << 8
        for byte, child in node.items():
            place = at ^ offset ^ (byte or 0)
            self.units[place] = child | 1 << 31 if byte is None else byte
        for byte, child in node.items():
            if byte is not None:
                self._place(at ^ offset ^ byte, child)

    def _offset(self, at, labels):
        offset = self.lowest
        while any((at ^ offset ^ label) in self.taken for label in labels):
            offset += 1
        assert offset < 1 << 21
        for label in labels:
            self.taken.add(at ^ offset ^ label)
        self.units += [0] * (max(self.taken) + 257 - len(self.units))
        while self.lowest in self.taken:
            self.lowest += 1
        return offset

    def bytes(self):
        return struct.pack(f"<{len(self.units)}I", *self.units)


def charsmap(rules):
    """`rules`: text → text. As base64, as a tokenizer.json has it."""
    texts, places = b"", {}
    for text in sorted(set(rules.values())):
        places[text] = len(texts)
        texts += text.encode() + b"\0"
    trie = DoubleArray({key.encode(): places[text] for key, text in rules.items()}).bytes()
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + texts).decode()


def compatibility_rules():
    """Part of NFKC, the mapping of blanks and controls, and rules on which shortest prefix and graphemes decide."""
    rules = {}
    ranges = [(0xa0, 0x250), (0x2000, 0x2070), (0x2100, 0x2190), (0x2460, 0x24ff), (0x3000, 0x3100), (0xfb00, 0xfb07), (0xff01, 0xffef)]
    for code in (code for first, end in ranges for code in range(first, end)):
        to = unicodedata.normalize("NFKC", chr(code))
        if to != chr(code):
            rules[chr(code)] = to
    for base in "aeiouAEIOUncsz":
        for mark in "\u0300\u0301\u0302\u0303\u0308\u030c\u0323":
            to = unicodedata.normalize("NFKC", base + mark)
            if len(to) == 1:
                rules[base + mark] = to
    rules.update({chr(code): "" for code in (*range(1, 9), *range(14, 32), 0x7f, 0xad, 0x200b, 0xfeff)})
    rules.update({blank: " " for blank in "\t\n\v\f\r\u0085\u2028\u2029\u200d"})
    rules.update({"q": "k", "か\u3099": "が", "\r\n": "\n", "𝐀": "A", "ｶﾞ": "ガ", "y\u0301\u0302": "Y"})
    return rules


# ---- vocabularies ----

CORPUS = [text.decode() for kind, text in strings.strings()
          if kind in ("english", "chinese", "japanese", "korean", "hindi", "code", "digits", "others", "spaces")]


def frequent(texts, longest, least):
    """All substrings of up to `longest` characters that occur at least `least` times, in a fixed order."""
    counts = {}
    for text in texts:
        for start in range(len(text)):
            for end in range(start + 1, min(len(text), start + longest) + 1):
                counts[text[start:end]] = counts.get(text[start:end], 0) + 1
    return sorted(text for text, count in counts.items() if count >= least or len(text) == 1)


def scored(pieces, rng):
    """Scores on a coarse grid, so that many ways to cut a text are equally good."""
    return [[piece, -2.0 - rng.randrange(0, 24) / 4 - 1.5 * min(len(piece), 4)] for piece in pieces]


def part(kind, **fields):
    return {"type": kind, **fields}


def file(model, **parts):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None, **parts, "model": model}


def added(vocabulary, **flags):
    """Special tokens by name; their ids are where the vocabulary has them."""
    return [{"id": vocabulary.index(name), "content": name, "single_word": False, "lstrip": lstrip, "rstrip": False,
             "normalized": False, "special": True} for name, lstrip in flags["names"]]


def template(vocabulary, *pieces):
    return part("TemplateProcessing",
                single=[{"Sequence": {"id": "A", "type_id": 0}} if name == "$A" else {"SpecialToken": {"id": name, "type_id": 0}}
                        for name in pieces],
                pair=[{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                special_tokens={name: {"id": name, "ids": [vocabulary.index(name)], "tokens": [name]}
                                for name in pieces if name != "$A"})


def unigram_metaspace():
    """As T5 and XLM-R are made: a charsmap, runs of blanks made one, ▁ before words, an unknown token."""
    rng = random.Random(1)
    texts = ["▁" + "▁".join(text.split()) for text in CORPUS]
    pieces = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]] + scored(frequent(texts, 6, 2), rng)
    names = [piece for piece, _ in pieces]
    metaspace = part("Metaspace", replacement="▁", prepend_scheme="always", split=True)
    return file(
        part("Unigram", unk_id=2, vocab=pieces, byte_fallback=False),
        added_tokens=added(names, names=[("<pad>", False), ("</s>", False), ("<unk>", False)]),
        normalizer=part("Sequence", normalizers=[part("Precompiled", precompiled_charsmap=charsmap(compatibility_rules())),
                                                 part("Replace", pattern={"Regex": " {2,}"}, content=" ")]),
        pre_tokenizer=metaspace, post_processor=template(names, "$A", "</s>"), decoder=metaspace)


def unigram_bytes():
    """As newer SentencePiece models are made: no charsmap, the whole text is one piece, bytes for what is unknown."""
    rng = random.Random(2)
    texts = ["▁" + text.replace(" ", "▁") for text in CORPUS]
    pieces = [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0]] + [[f"<0x{byte:02X}>", -12.0] for byte in range(256)]
    pieces += scored([piece for piece in frequent(texts, 8, 2) if piece not in "語ぁन😀éx"], rng)
    pieces += [["▁" * count, -3.0 - count / 8] for count in (4, 8, 16)]
    seen, unique = set(), []
    for piece in pieces:
        if piece[0] not in seen:
            unique.append(piece)
        seen.add(piece[0])
    names = [piece for piece, _ in unique]
    return file(
        part("Unigram", unk_id=0, vocab=unique, byte_fallback=True),
        added_tokens=added(names, names=[("<s>", False), ("</s>", False)]),
        normalizer=part("Sequence", normalizers=[part("Prepend", prepend="▁"), part("Replace", pattern={"String": " "}, content="▁")]),
        post_processor=template(names, "<s>", "$A"),
        decoder=part("Sequence", decoders=[part("Replace", pattern={"String": "▁"}, content=" "), part("ByteFallback"), part("Fuse"),
                                           part("Strip", content=" ", start=1, stop=0)]))


def wordpiece(prefix, longest_word, normalizer, pre_tokenizer, fold):
    words = [word for text in CORPUS for word in fold(text).split()]
    pieces = [piece for piece in frequent(words, 5, 2)]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + pieces + [prefix + piece for piece in pieces if len(piece) < 4]
    names = list(dict.fromkeys(names))
    model = part("WordPiece", unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=longest_word,
                 vocab={name: i for i, name in enumerate(names)})
    return file(model, added_tokens=added(names, names=[("[PAD]", False), ("[UNK]", False), ("[CLS]", False), ("[SEP]", False), ("[MASK]", True)]),
                normalizer=normalizer, pre_tokenizer=pre_tokenizer, post_processor=template(names, "[CLS]", "$A", "[SEP]"),
                decoder=part("WordPiece", prefix=prefix, cleanup=True) if prefix else None)


def bert(clean, chinese, accents, lower):
    return part("BertNormalizer", clean_text=clean, handle_chinese_chars=chinese, strip_accents=accents, lowercase=lower)


def fold_accents(text):
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")


MADE = {
    "unigram_metaspace": unigram_metaspace,
    "unigram_bytes": unigram_bytes,
    "wordpiece_uncased": lambda: wordpiece("##", 100, bert(True, True, None, True), part("BertPreTokenizer"), fold_accents),
    "wordpiece_cased": lambda: wordpiece("##", 12, bert(True, False, None, False), part("BertPreTokenizer"), str),
    "wordpiece_accents": lambda: wordpiece("@", 30, bert(False, True, True, False), part("Whitespace"), str),
    "wordpiece_plain": lambda: wordpiece("", 5, None, part("Sequence", pretokenizers=[part("WhitespaceSplit"), part("Punctuation")]), str),
}
