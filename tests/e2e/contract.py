"""The rows of src/script/contract_*.c as Python, and the tables that docs/scripting.md shows of them."""
import ast
import os
import re

FILES = [f"src/script/contract_{name}.c" for name in ("script", "answer", "modules")]
TYPES = {"WORD_FUNCTION": "function", "WORD_TEXT": "string", "WORD_FLAG": "true or false", "WORD_COUNT": "whole number",
         "WORD_SECONDS": "number", "WORD_TABLE": "table", "WORD_TEXT_OR_TABLE": "string or table", "WORD_ANY": "anything"}
TEXT = r'(?:"(?:[^"\\]|\\.)*"\s*)+'


def read(source):
    """Each row as a dictionary; strings joined, everything else as it is spelt."""
    rows, found = "", []
    for name in FILES:
        with open(os.path.join(source, name), encoding="utf-8") as file:
            text = file.read()
        rows += text[text.index("words[] = {"):text.index("\n};")]
    for row in re.split(r"\{\s*\.kind = ", rows)[1:]:
        word = {"kind": re.match(r"\w+", row).group(0), "type": "WORD_ANY"}
        for name, value in re.findall(r"\.(\w+)\s*=\s*(%s|\w+)" % TEXT, row):
            texts = re.findall(r'"(?:[^"\\]|\\.)*"', value)
            word[name] = "".join(ast.literal_eval(part) for part in texts) if texts else value
        found.append(word)
    return found


def _row(word):
    meaning = word["sentence"] + (": one of " + ", ".join(f"`{c}`" for c in word["choices"].split()) if "choices" in word else "")
    if "required" in word:
        meaning = "**required**; " + meaning
    when = f" ({word['when']})" if "when" in word else ""
    name = word["name"] + word.get("arguments", "")
    return f"| `{name}` | {TYPES[word['type']]} | {meaning.replace('|', chr(92) + '|')}{when} |"


def table(words, kind):
    """The Markdown table of what this version supports of a kind."""
    rows = [_row(word) for word in words if word["kind"] == kind and "later" not in word]
    return "\n".join(["| name | type | meaning |", "|---|---|---|", *rows])


def later(words):
    return [word["name"] for word in words if "later" in word]


def fill(page, words):
    """The page with its generated parts written anew."""
    def one(match):
        return f"<!-- table {match.group(1)} -->\n{table(words, match.group(1))}\n<!-- end -->"
    page = re.sub(r"<!-- table (\w+) -->\n.*?<!-- end -->", one, page, flags=re.S)
    names = ", ".join(f"`{name}`" for name in later(words))
    return re.sub(r"<!-- later -->[^.]*\.", lambda _: f"<!-- later --> {names}.", page)


if __name__ == "__main__":  # writes the tables of docs/scripting.md anew
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    path = os.path.join(root, "docs/scripting.md")
    with open(path, encoding="utf-8") as old:
        text = fill(old.read(), read(root))
    with open(path, "w", encoding="utf-8") as new:
        new.write(text)
