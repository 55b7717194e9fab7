"""docs/reliability.md names the test that holds each promise; here it is seen that each row names one, and that each exists."""
import os
import re
import unittest

from harness import SOURCE

PAGE = os.path.join(SOURCE, "docs/reliability.md")


def rows():
    with open(PAGE, encoding="utf-8") as page:
        for line in page:
            if line.startswith("| ") and not line.startswith("| promise"):
                yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def defines(path, name):
    """Does the file define a test of this name, and not only speak of it?"""
    with open(os.path.join(SOURCE, "tests", path), encoding="utf-8") as text:
        pattern = rf"^    def {name}\(" if path.endswith(".py") else rf"^static void {name}\(void \*\*"
        return re.search(pattern, text.read(), re.MULTILINE) is not None


class Reliability(unittest.TestCase):
    def test_each_promise_has_tests_that_exist(self):
        promises = list(rows())
        self.assertGreater(len(promises), 20)
        for cells in promises:
            with self.subTest(cells[0]):
                self.assertEqual(len(cells), 3, "promise, how, test")
                named = re.findall(r"`([a-z0-9_/]+\.(?:c|py))(?::(\w+))?`", cells[2])
                self.assertTrue(named, "no test is named")
                for path, name in named:
                    self.assertTrue(os.path.exists(os.path.join(SOURCE, "tests", path)), path)
                    if name:
                        self.assertTrue(defines(path, name), f"{path} has no test {name}")
                self.assertTrue(all(name or path.startswith("fuzz/") for path, name in named), "which test of the file?")

    def test_the_sources_that_are_named_exist(self):
        for cells in rows():
            for path in re.findall(r"`((?:base|wire|model|io|script|run|out|app)/\w+\.[ch])`", cells[1]):
                self.assertTrue(os.path.exists(os.path.join(SOURCE, "src", path)), path)


if __name__ == "__main__":
    unittest.main()
