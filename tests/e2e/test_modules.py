"""What the modules json and dataset.csv read is what Python's json and csv read: each row is sent as it was understood."""
import csv
import io
import json
import random
import unittest

from harness import GOOD, Case, ScriptedServer, read_request

JSON = """local json, dataset = require "json", require "dataset"
return { build_messages = function(opts)
    return dataset.items(dataset.lines(opts.dataset_path), function(line)
        local value, why = json.decode(line, { null = true })
        local infinite = type(value) == "number" and math.abs(value) == math.huge
        local text = infinite and (value > 0 and "Infinity" or "-Infinity")
        return { body = why and "refused" or "read " .. (text or json.encode(value)) }
    end)
end }
"""

CSV = """local json, dataset = require "json", require "dataset"
return { build_messages = function(opts)
    return dataset.items(dataset.csv(opts.dataset_path, { header = false, separator = "%s" }), function(row)
        return { body = json.encode(row) }
    end)
end }
"""

# Read, or refused, as Python's json does it.
TEXTS = [
    "null", "true", "false", "0", "-0", "-0.0", "1", "-1", "1.5", "1e2", "1E+2", "1e-2", "0.1", "5e-324", "1.7976931348623157e308",
    "1e400", "-1e400", "1e-400",
    "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "9223372036854775807",
    "-9223372036854775808", "9223372036854775808", "18446744073709551615",
    "[]", "{}", "[[]]", "[{}]", "{\"a\":[]}", "{\"a\":{}}", "[null]", "[1,null,2]", "{\"a\":null}", "[null,null]",
    "\"\"", "\"\\u0000\"", "\"a\\u0000b\"", "{\"\\u0000\":1}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u00e9\\u65e5\"",
    "\"\\ud83d\\ude00\"", "\"é日😀\"", "\"\\u2028\\u007f\"", " [ 1 , 2 ] ", "\t{ \"a\" : 1 }\t",
    "{\"a\":1,\"a\":2}", "{\"\":1}", "{\"1\":\"x\"}", "{\"a\":{\"b\":{\"c\":[1,{\"d\":null}]}}}",
    "[" * 100 + "]" * 100,
    # refused by both
    "", "{", "}", "[", "[1", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "1 2", "[1] x", "01", "-", "1.",
    ".5", "+1", "1e", "0x10", "tru", "True", "nul", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u123g\"", "\"a\tb\"", "\"\\", "'a'", "undefined", "//",
]
# Read otherwise; None = refused.
OTHERWISE = {
    "\"\\ud83c\"": '"\ufffd"',  # Python keeps a lone surrogate, which is no text
    "\"\\udc00x\"": '"\ufffdx"',
    "\"\\ude00\\ud83d\"": '"\ufffd\ufffd"',
    "\"\\ud83d\\ud83d\\ude00\"": '"\ufffd😀"',
    "NaN": None, "Infinity": None, "-Infinity": None,  # no JSON, though Python reads them
    "18446744073709551616": "1.8446744073709552e+19",  # beyond uint64_t the nearest number
}


class Modules(Case):
    def sent(self, script, data):
        """The bodies that a run over the data sends, in its order."""
        seen = []

        def one(connection, _):
            while request := read_request(connection):
                seen.append(request[2].decode())
                connection.sendall(GOOD)
        server = ScriptedServer(one)
        self.addCleanup(server.close)
        result = self.llmbench("--dataset", self.write("d.lua", script), "--dataset-path", self.write("data", data),
                               "--url", server.url + "/v1/chat/completions", "--model", "m", "--name", f"r{id(seen)}", expect=0)
        return seen, result

    def test_json_is_read_as_python_reads_it(self):
        texts = TEXTS + list(OTHERWISE)
        bodies, _ = self.sent(JSON, "\n".join(texts) + "\n")
        self.assertEqual(len(bodies), len(texts))
        for text, body in zip(texts, bodies):
            with self.subTest(text=text):
                refused = text in OTHERWISE and OTHERWISE[text] is None
                try:
                    value = None if refused else json.loads(OTHERWISE.get(text, text))
                except ValueError:
                    refused = True
                if refused:
                    self.assertEqual(body, "refused")
                    continue
                self.assertTrue(body.startswith("read "), body)
                got = json.loads(body[5:])
                self.assertEqual(json.dumps(self.plain(got), sort_keys=True), json.dumps(self.plain(value), sort_keys=True))

    def plain(self, value):
        """1.0 and 1 are one number in Lua; integers stay exact."""
        if isinstance(value, float) and value.is_integer() and abs(value) <= 2 ** 53:
            return int(value)
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {name: self.plain(item) for name, item in value.items()}
        return value

    def test_csv_is_read_as_python_reads_it(self):
        draw = random.Random(5)
        for separator in ",;\t":
            rows = [["".join(draw.choices(["a", " ", '"', "\n", "\r\n", separator, "日", "\0", "'"], k=draw.randrange(5)))
                     for _ in range(draw.randrange(1, 5))] for _ in range(150)]
            rows = [row for row in rows if row != [""]]
            text = io.StringIO()
            csv.writer(text, delimiter=separator, lineterminator=draw.choice(["\n", "\r\n"]),
                       quoting=csv.QUOTE_MINIMAL).writerows(rows)
            data = text.getvalue()
            self.assertEqual(list(csv.reader(io.StringIO(data, newline=""), delimiter=separator)), rows)
            shown = "\\t" if separator == "\t" else separator
            bodies, result = self.sent(CSV % shown, draw.choice([b"", b"\xef\xbb\xbf"]) + data.encode())
            self.assertEqual([json.loads(body) for body in bodies], rows)
            self.assertNotRegex(result.out + result.err, "malformed|skipped")


if __name__ == "__main__":
    unittest.main()
