"""The house rule: a file includes only from its own folder or a lower floor, and some headers have one home."""
import os
import re
import unittest

SOURCE = os.environ["LLMBENCH_SOURCE"]

# What each folder may include from, besides itself.
ALLOWED = {
    "base": set(),
    "wire": {"base"},
    "model": {"base"},
    "token": {"base", "wire"},
    "io": {"base", "wire", "model"},
    "script": {"base", "wire", "model"},
    "run": {"base", "wire", "model", "token", "io", "script"},
    "out": {"base", "wire", "model"},
    "mock": {"base", "wire", "token"},
    "app": {"base", "wire", "model", "token", "io", "script", "run", "out", "mock"},
}

# Libraries' headers and the only folders that may include them.
HOMES = {
    "lua.h": {"script"}, "lauxlib.h": {"script"}, "lualib.h": {"script"}, "luajit.h": {"script"},
    "openssl/evp.h": {"script", "mock", "app"}, "openssl/hmac.h": {"script", "mock"},
    "ev.h": {"io"}, "curl/curl.h": {"io", "app"}, "sqlite3.h": {"out"},
    "cjson/cJSON.h": {"out", "mock", "app"},
    "pcre2.h": {"token"}, "utf8proc.h": {"token"}, "sentencepiece_processor.h": {"token"},
}


def includes():
    for folder, _, files in os.walk(os.path.join(SOURCE, "src")):
        for name in sorted(files):
            if not name.endswith((".c", ".cc", ".h")):
                continue
            path = os.path.join(folder, name)
            room = os.path.relpath(folder, os.path.join(SOURCE, "src"))
            with open(path, encoding="utf-8") as text:
                for number, line in enumerate(text, 1):
                    found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
                    if found:
                        yield room, f"{os.path.relpath(path, SOURCE)}:{number}", found.group(1)


class House(unittest.TestCase):
    def test_floors(self):
        seen = 0
        for room, where, included in includes():
            folder = included.split("/")[0]
            if room == "." or folder not in ALLOWED:
                continue
            seen += 1
            self.assertTrue(folder == room or folder in ALLOWED[room],
                            f"{where}: {room} may not include {included}")
        self.assertGreater(seen, 100)

    def test_homes_of_libraries(self):
        for room, where, included in includes():
            if included in HOMES:
                self.assertIn(room, HOMES[included], f"{where}: {included} has another home")

    def test_every_folder_has_its_place(self):
        folders = {name for name in os.listdir(os.path.join(SOURCE, "src"))
                   if os.path.isdir(os.path.join(SOURCE, "src", name))}
        self.assertEqual(folders, set(ALLOWED))

    def test_no_shell(self):
        """The one program that is started is this one, as the mock server of calibrate, by its path and without a shell."""
        starts = re.compile(r"\b(system|popen|execl\w*|execv\w*|posix_spawn\w*|wordexp)\s*\(")
        found = []
        for folder, _, files in os.walk(os.path.join(SOURCE, "src")):
            for name in files:
                with open(os.path.join(folder, name), encoding="utf-8") as text:
                    found += [(name, match.group(1)) for match in starts.finditer(text.read()) if name.endswith((".c", ".cc", ".h"))]
        self.assertEqual(found, [("mock_child.c", "execv")])


if __name__ == "__main__":
    unittest.main()
