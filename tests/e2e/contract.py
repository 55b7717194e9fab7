"""The tables of docs/scripting.md, as the program prints them (llmbench --help=lua-md)."""
import os
import re
import subprocess

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BLOCK = re.compile(r"<!-- table (\w+) -->\n(.*?)<!-- end -->", re.S)


def tables(program):
    """The text of each table by its name."""
    printed = subprocess.run([program, "--help=lua-md"], capture_output=True, text=True, check=True).stdout
    return dict(BLOCK.findall(printed))


def fill(page, found):
    """The page with its tables written anew."""
    return BLOCK.sub(lambda match: f"<!-- table {match.group(1)} -->\n{found[match.group(1)]}<!-- end -->", page)


if __name__ == "__main__":  # writes the tables of docs/scripting.md anew
    path = os.path.join(ROOT, "docs/scripting.md")
    with open(path, encoding="utf-8") as old:
        text = fill(old.read(), tables(os.environ.get("LLMBENCH", os.path.join(ROOT, "build/llmbench"))))
    with open(path, "w", encoding="utf-8") as new:
        new.write(text)
