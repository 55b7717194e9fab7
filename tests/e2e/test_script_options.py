"""Scripts' own options: from every place where options come from, in every place where they show, and every mistake."""
import json
import os
import re
import unittest

from harness import Case, stats

ROWS = """
    { name = "tenant", help = "who pays", choices = "none acme globex", default = "none", letter = "T" },
    { name = "retry-limit", type = "integer", help = "how often", min = 1, max = 5 },
    { name = "pause", type = "duration", default = "30s", max = 60, aliases = "wait" },
    { name = "room", type = "size" },
    { name = "deep", type = "flag" },
    { name = "tags", type = "words" },
    { name = "tenant-key", secret = true, env = "MINE_KEY MINE_OTHER_KEY" },
    { name = "mood", type = "number", body = "mood" },
"""

API = """
local api = require "apis.openai"
local build = api.build_request
api.options = {%s}
function api.setup(opts)
    return { pause = opts.pause }
end
function api.build_request(messages, opts, ctx)
    local body = build(messages, opts, ctx)
    body.metadata = { tenant = opts.tenant, retry = opts.retry_limit, pause = ctx.setup.pause, room = opts.room,
                      deep = opts.deep, tags = opts.tags, key = opts.tenant_key }
    return body
end
return api
"""

DATA = """
return {
    options = { { name = "topic", default = "tea" }, { name = "many", type = "integer", default = 1 } },
    build_messages = function(opts)
        local i = 0
        return function()
            i = i + 1
            return i <= opts.many and ("%s of " .. opts.topic) or nil
        end
    end,
}
"""
SECRET = "sk-hush-hush-4711"


class Options(Case):
    def setUp(self):
        super().setUp()
        self.runs = 0
        self.write("mine.lua", API % ROWS)
        self.write("data.lua", DATA % "a cup")

    def words(self, *more, script="mine.lua", name="run"):
        return ("-s", script, "--url", self.root, "--model", "m", "--name", name, *more)

    def start(self):
        self.root = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", 2)

    def sent(self, *more, env=None):
        """The body of the one request, as the database has it."""
        self.runs += 1
        self.name = f"run{self.runs}"
        self.result = self.llmbench(*self.words("--prompt", "x", *more, name=self.name), env=env, expect=0)
        return json.loads(self.database(self.name).execute("SELECT request FROM result").fetchone()[0])

    def test_every_source_reaches_opts(self):
        self.start()
        self.write("c.json", json.dumps({"tenant": "acme", "retry_limit": 4, "pause": "5s", "tags": ["u", "v"], "deep": True}))
        self.write("named.json", json.dumps({"tenant": "globex", "script": "mine.lua", "prompt": "x", "wait": 7}))
        self.write("e.env", f"MINE_OTHER_KEY={SECRET}\n")
        cases = [
            ((), {"tenant": "none", "pause": 30}),
            (("--tenant", "acme"), {"tenant": "acme", "pause": 30}),
            (("--tenant=globex", "--retry_limit=2"), {"tenant": "globex", "retry": 2, "pause": 30}),
            (("-Tacme", "--tenant", "globex"), {"tenant": "globex", "pause": 30}),
            (("--wait", "1s", "--room", "2k", "--deep"), {"tenant": "none", "pause": 1, "room": 2048, "deep": True}),
            (("--tags", "a", "b", "--retry-limit", "3"), {"tenant": "none", "pause": 30, "retry": 3, "tags": ["a", "b"]}),
            (("--config", "c.json"), {"tenant": "acme", "retry": 4, "pause": 5, "tags": ["u", "v"], "deep": True}),
            (("--config", "c.json", "--tenant", "none", "--tags", "w", "--deep=false"),
             {"tenant": "none", "retry": 4, "pause": 5, "tags": ["w"]}),
            (("--config", "named.json"), {"tenant": "globex", "pause": 7}),
            (("--env-file", "e.env"), {"tenant": "none", "pause": 30, "key": SECRET}),
        ]
        for words, want in cases:
            with self.subTest(words=words):
                body = self.sent(*words)
                hidden = {**want, "key": "[redacted]"} if "key" in want else want
                self.assertEqual(body["metadata"], hidden)
                self.assertNotIn("mood", body)
        self.assertEqual(stats(self.root)["requests"]["total"], len(cases))

    def test_the_script_may_stand_in_the_config_file_alone(self):
        self.start()
        self.write("c.json", json.dumps({"tenant": "acme", "script": "mine.lua", "url": self.root, "model": "m",
                                         "prompt": "x", "name": "run"}))
        self.llmbench("--config", "c.json", "--pause", "3", expect=0)
        body = json.loads(self.database().execute("SELECT request FROM result").fetchone()[0])
        self.assertEqual(body["metadata"], {"tenant": "acme", "pause": 3})

    def test_a_script_found_by_its_name_may_have_options(self):
        os.makedirs(self.path("more/apis"))
        self.write("more/apis/ours.lua", API % ROWS)
        self.write("e.env", f"LLMBENCH_PATH={self.path('more')}\n")
        words = ("--api", "ours", "--tenant", "acme", "--url", "http://127.0.0.1:9", "--dump-config")
        for more, env in (((), {"LLMBENCH_PATH": self.path("more")}), (("--env-file", "e.env"), None)):
            self.assertEqual(json.loads(self.llmbench(*words, *more, env=env, expect=0).out)["tenant"], "acme")
        self.assertIn("--api ours: there is none of that name", self.llmbench(*words, expect=3).err)

    def test_a_row_with_a_body_key_travels(self):
        self.start()
        self.assertEqual(self.sent("--mood", "0.5")["mood"], 0.5)

    def test_api_and_data_set_have_their_own(self):
        self.start()
        self.llmbench("--api", "./mine.lua", "--dataset", "./data.lua", "--url", self.root, "--model", "m", "--name", "run",
                      "--topic", "milk", "--many", "3", "--tenant", "acme", expect=0)
        bodies = [json.loads(row[0]) for row in self.database().execute("SELECT request FROM result")]
        self.assertEqual([(b["messages"][0]["content"], b["metadata"]["tenant"]) for b in bodies],
                         [("a cup of milk", "acme")] * 3)
        text = self.llmbench("--help", "--api", "./mine.lua", "--dataset", "./data.lua", expect=0).out
        self.assertLess(text.index("Options of mine.lua:"), text.index("Options of data.lua:"))

    def test_they_are_stored_and_reported_and_secrets_are_not(self):
        self.start()
        self.sent("--tenant", "acme", "--tenant-key", SECRET, "--json", "r.json", "--debug")
        options = json.loads(self.database(self.name).execute("SELECT options FROM run").fetchone()[0])
        with open(self.path("r.json"), encoding="utf-8") as text:
            report = text.read()
        for found in (options, json.loads(report)["options"]):
            text = json.dumps(found)
            self.assertIn("acme", text)
            self.assertIn("tenant", text)
            self.assertIn("[redacted]", text)
        everything = report + self.result.out + self.result.err
        for name in (f"outputs/{self.name}.db", f"outputs/{self.name}.log"):
            with open(self.path(name), "rb") as file:
                everything += file.read().decode(errors="replace")
        self.assertNotIn(SECRET, everything)
        self.assertNotIn(SECRET[3:], everything)

    def test_the_dump_reads_back(self):
        self.root = "http://127.0.0.1:9"
        words = ("--prompt", "x", "--tenant", "acme", "--pause", "90ms", "--tags", "a", "b", "--room", "3M")
        first = self.llmbench(*self.words(*words, "--dump-config"), expect=0).out
        self.write("d.json", first)
        self.assertEqual(json.loads(first)["tenant"], "acme")
        self.assertEqual(json.loads(first)["_origin"]["tenant"], "command line")
        second = self.llmbench("--config", "d.json", "--dump-config", expect=0).out
        strip = {"_origin": None}
        self.assertEqual({**json.loads(first), **strip}, {**json.loads(second), **strip})
        self.assertIn('"tenant_key": "[redacted]"', self.llmbench(*self.words("--tenant-key", SECRET, "--dump-config")).out)

    def test_help_shows_them_in_a_group_of_their_own(self):
        for words in (("--help", "-s", "mine.lua"), ("-s", "mine.lua", "-h"), ("run", "--help", "--script=mine.lua", "--nonsense"),
                      ("try", "-s", "mine.lua", "--help")):
            text = self.llmbench(*words, expect=0).out
            group = re.search(r"^Options of mine\.lua:\n(.*?)\n\n", text, re.S | re.M).group(1)
            self.assertRegex(group, r"-T, --tenant NAME +who pays \(one of none, acme, globex\) \(default:\s+none\)")
            self.assertRegex(group, r"--pause TIME +\(default: 30s\) \(also --wait\)")
            self.assertIn("environment: MINE_KEY, MINE_OTHER_KEY", group)
        self.assertNotIn("Options of", self.llmbench("--help", expect=0).out)
        self.write("broken.lua", "return {")
        result = self.llmbench("--help", "-s", "broken.lua", expect=3)
        self.assertIn("broken.lua:1: unexpected symbol near '<eof>'", result.err)

    def test_wrong_values_are_told_as_those_of_any_option(self):
        self.start()
        self.write("c.json", '{\n "retry-limit": 9}')
        self.write("t.json", '{\n "tenant": 9}')
        cases = {
            ("--tenat", "acme"): "unknown option --tenat; did you mean --tenant?",
            ("--tenant", "acm"): "--tenant 'acm': must be one of: none acme globex",
            ("--tenant",): "option --tenant needs a value",
            ("--retry-limit", "9"): "--retry-limit 9: must be between 1 and 5",
            ("--retry-limit", "x"): "--retry-limit 'x': not a whole number",
            ("--pause", "2m"): "--pause 2m: must be at most 1m",
            ("--deep=perhaps",): "option --deep takes no value ('--deep=perhaps')",
            ("--config", "c.json"): "c.json:2: --retry-limit 9: must be between 1 and 5",
            ("--config", "t.json"): 't.json:2: "tenant" must be a text in quotes, not a number',
        }
        for words, want in cases.items():
            with self.subTest(words=words):
                self.assertIn(want, self.llmbench(*self.words("--prompt", "x", *words), expect=2).err)
        self.assertIn("unknown option --tenant", self.llmbench("--url", self.root, "--tenant", "acme", expect=2).err)
        self.write("must.lua", API % '{ name = "tenant", required = true, help = "who pays" }')
        result = self.llmbench(*self.words("--prompt", "x", script="must.lua"), expect=2)
        self.assertIn("--tenant is required: who pays", result.err)
        self.assertEqual(stats(self.root)["requests"]["total"], 0)

    def test_wrong_rows_end_it_before_anything_is_sent(self):
        self.start()
        cases = {
            "5": "options[1] must be a table {name=, type=, …}, not a number",
            '{ name = "tenant", hlep = "x" }': "options[1]: unknown field 'hlep' (did you mean 'help'?)",
            '{ name = "a" }, { name = "Tenant" }': "options[2]: 'name' is \"Tenant\"; it must be lower-case letters",
            '{ name = "parallel" }': "options[1]: 'name' is \"parallel\", but --parallel is an option of the program",
            '{ name = "concurrency" }': "options[1]: 'name' is \"concurrency\", but --parallel is an option of the program",
            '{ name = "a", letter = "c" }': "options[1]: 'letter' is \"c\", but there is an option -c already (of the program)",
            '{ name = "a", type = "integer", max = 3, default = 4 }': "options[1]: 'default' does not fit: --a 4: must be at most 3",
        }
        for rows, want in cases.items():
            with self.subTest(rows=rows):
                self.write("wrong.lua", API % rows)
                result = self.llmbench(*self.words("--prompt", "x", script="wrong.lua"), expect=3)
                self.assertIn("wrong.lua:4: " + want, result.err)
                self.assertEqual(result.err.count("\n"), 1)
        self.assertEqual(stats(self.root)["requests"]["total"], 0)

    def test_what_cannot_be_loaded_is_told_before_the_options(self):
        self.root = "http://127.0.0.1:9"
        self.write("broken.lua", f'error("bad " .. secret("{SECRET}"))')
        cases = {
            ("-s", "nowhere.lua", "--tenant", "acme"): "--script nowhere.lua: No such file",
            ("--api", "nowhere", "--tenant", "acme"): "--api nowhere: there is none of that name",
            ("-s", "broken.lua", "--tenant", "acme"): "broken.lua:1: bad [redacted]",
        }
        for words, want in cases.items():
            with self.subTest(words=words):
                result = self.llmbench("--url", self.root, *words, expect=3)
                self.assertIn(want, result.err)
                self.assertNotIn(SECRET, result.err)


if __name__ == "__main__":
    unittest.main()
