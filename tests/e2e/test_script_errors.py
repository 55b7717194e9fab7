"""Mistakes in scripts: one sentence with the place and what would be right, before anything is sent where that can be known."""
import json
import os
import unittest

from harness import Case, stats

HEAD = """local api = require "apis.openai"
local build = api.build_request
%s
return api
"""

# What stands at line 3 of the script, and the sentence: the run does not start.
BEFORE = [
    ('api.framng = "sse"', "mine.lua:3: unknown field 'framng' (did you mean 'framing'?)"),
    ('api.content = "x"', "mine.lua:3: unknown field 'content'; it is one of the fields of what read_event returns"),
    ("api.colour_of_it = 1", "mine.lua:3: unknown field 'colour_of_it'; there are: path, framing, end_marker, "),
    ("api.setup = 5", "mine.lua:3: 'setup' must be a function, not 5"),
    ("api.parse_responses = nil", "mine.lua: the hook 'parse_responses(responses, request, ctx)' is missing; it returns prompt_tokens"),
    ("function api.setup() return print end", "mine.lua:3: setup: its result: a function cannot go from one Lua state to another"),
    ("function api.setup() return nil, 'no luck' end",
     'mine.lua:3: setup: gave nil and "no luck"; what went wrong is raised: error(message)'),
    ("function api.setup() return 1, 2 end", "mine.lua:3: setup: must return one value, plain data, not 2 values"),
    ("function api.given_header() return 5 end", "mine.lua:3: given_header: must return a string or nil, not a number"),
    ("function api.build_messages() end", "mine.lua:3: build_messages: must return an iterator (one function that gives the next item), not nil"),
    ("function api.build_messages() return {'a'} end", "mine.lua:3: build_messages: must return an iterator"),
    ("function api.build_messages() return pairs({1}) end",
     "mine.lua:3: build_messages: must return an iterator (one function that gives the next item), not 2 values"),
    ("function api.build_messages() return function() return 5 end end",
     "data set 'mine.lua', item 1: mine.lua:3: an item must be messages, a string or a table, not a number"),
    ("function api.build_messages() return function() return nil, 'broken' end end",
     'item 1: mine.lua:3: the iterator gave nil and "broken"; nil alone ends the data'),
    ("function api.build_messages() return function() return {mesages={}} end end",
     "item 1: mine.lua:3: the item has neither messages nor prompt nor body"),
    ("function api.build_messages() return function() return {prompt='x', headers={['a b']='c'}} end end",
     "data set 'mine.lua', item 1: mine.lua:3: the item: \"a b\" cannot be the name of a header"),
    ("function api.build_request() end", "mine.lua:3: build_request: must return the body as a table or a string, not nil"),
    ("function api.build_request() return print end",
     "mine.lua:3: build_request: must return the body as a table or a string, not a function"),
    ("function api.build_request() return {}, nil, 5 end",
     "mine.lua:3: build_request: must return the body and at most one table more, not 3 values"),
    ("function api.build_request() return nil, 'no body' end",
     'mine.lua:3: build_request: gave nil and "no body"; what went wrong is raised: error(message)'),
    ("function api.build_request() return {}, 'x' end",
     "mine.lua:3: build_request: the second result must be a table {url=, method=, headers=, user=}, not a string"),
    ("function api.build_request() return {}, {header={}} end",
     "mine.lua:3: build_request: the second result: unknown field 'header' (did you mean 'headers'?)"),
    ("function api.build_request() return {}, {method='post'} end", "mine.lua:3: build_request: 'method' is \"post\"; it must be capital"),
    ("function api.build_request() return {x={print}} end", "mine.lua:3: build_request: body.x[1]: a function cannot be JSON"),
    ("function api.build_request(m, opts) return {t=opts.modle} end",
     "build_request: mine.lua:3: no option 'modle' (did you mean 'model'?)"),
    ("function api.build_request() local x\nreturn x.y end", "build_request: mine.lua:4: attempt to index local 'x'"),
]

# The same for whole scripts.
WHOLE = [
    ("local api = {}\nif then", "mine.lua:2: unexpected symbol near 'then'"),
    ("local api = {}", "mine.lua: a script must return its table of hooks, not nil"),
    ("return {}", "mine.lua: neither an API script (build_request, parse_responses) nor a dataset script (build_messages)"),
    ("return {build_messages=print, setup=print}",
     "mine.lua: 'setup' belongs to an API script, but this is a data set script: it has neither build_request nor parse_responses"),
]

# What only an answer can show: the outcome of its row and the message.
AFTER = [
    ("function api.read_event() return 'x' end", "script_error", "mine.lua:3: read_event: must return nil or a table, not a string"),
    ("function api.read_event() return {conten='x'} end", "script_error",
     "mine.lua:3: read_event: its result: unknown field 'conten' (did you mean 'content'?)"),
    ("function api.read_event() return {usage={prompt_tokens=5}} end", "script_error",
     "mine.lua:3: read_event: its 'usage': unknown field 'prompt_tokens'; there are: prompt, completion, cached, reasoning"),
    ("function api.frame() return true end", "script_error", "mine.lua:3: frame: must return from, to, next or nil, but 'from' is a boolean"),
    ("function api.parse_responses() return '5' end", "ok",
     "mine.lua:3: parse_responses: prompt_tokens must be a whole number from 0 or nil, not a string"),
    ("function api.parse_responses() return -5 end", "ok", "prompt_tokens must be a whole number from 0 or nil, not -5"),
    ("function api.parse_responses() return 5, 2.5 end", "ok", "completion_tokens must be a whole number from 0 or nil, not 2.5"),
    ("function api.parse_responses() return 1, 2, 3 end", "ok", "must return prompt_tokens, completion_tokens, not 3 values"),
]


class Mistakes(Case):
    def setUp(self):
        super().setUp()
        self.root = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", 2)

    def run_script(self, text, *more, name="run", expect=None):
        self.write("mine.lua", text)
        return self.llmbench("-s", "mine.lua", "--url", self.root, "--model", "m", "--name", name, "-H", "X-A: b", *more, expect=expect)

    def refused(self, text, sentence, *more):
        result = self.run_script(text, *more, expect=3)
        self.assertIn(sentence, result.err)
        first, *rest = [line for line in result.err.splitlines() if "bundled sample" not in line and "downloading" not in line]
        self.assertTrue(first.startswith("llmbench: "), result.err)
        self.assertTrue(not rest or rest[0] == "stack traceback:", result.err)

    def test_what_can_be_known_keeps_the_run_from_starting(self):
        for line, sentence in BEFORE:
            with self.subTest(line=line):
                prompt = () if "build_messages" in line else ("--prompt", "x")
                self.refused(HEAD % line, sentence, *prompt)
        for text, sentence in WHOLE:
            with self.subTest(text=text):
                self.refused(text, sentence, "--offline")
        self.assertEqual(stats(self.root)["requests"]["total"], 0)

    def test_a_data_set_with_hooks_of_an_api_is_refused_as_such(self):
        self.write("data.lua", "return {build_messages=function() return function() return 'x' end end, refresh=print}")
        result = self.llmbench("--dataset", "data.lua", "--url", self.root, "--model", "m", expect=3)
        self.assertIn("data.lua: 'refresh' belongs to an API script, but this is a data set script", result.err)

    def test_what_an_answer_shows_stands_in_its_row(self):
        for number, (line, outcome, sentence) in enumerate(AFTER):
            with self.subTest(line=line):
                self.run_script(HEAD % line, "--prompt", "x", name=f"n{number}", expect=0 if outcome == "ok" else 1)
                row = self.database(f"n{number}").execute("SELECT outcome, error, token_error FROM result").fetchone()
                self.assertEqual(row["outcome"], outcome)
                self.assertIn(sentence, row["error" if outcome != "ok" else "token_error"])

    def test_the_first_request_is_made_once_and_goes_out(self):
        """Made ahead of the run, it is the first that the server sees, and no number or prompt is used up by it."""
        self.run_script(HEAD % """
local calls = 0
function api.build_request(messages, opts, ctx)
    calls = calls + 1
    local body = build(messages, opts, ctx)
    body.metadata = { calls = calls, index = ctx.index, stage = ctx.stage }
    return body
end""", "--dataset", "line_by_line", "--dataset-path", self.write("p.txt", "a\nb\nc\n"), "-n", "3", "3", "-c", "1", "2", "--same-prompts",
                        expect=0)
        rows = self.database().execute("SELECT arrival, stage, request FROM result ORDER BY stage, arrival").fetchall()
        said = [json.loads(row["request"]) for row in rows]
        self.assertEqual([body["messages"][0]["content"] for body in said], ["a", "b", "c"] * 2)
        self.assertEqual([body["metadata"]["index"] for body in said[:3]], [0, 1, 2])
        self.assertEqual(said[0]["metadata"], {"calls": 1, "index": 0, "stage": 0})
        self.assertEqual(stats(self.root)["requests"]["total"], 6)

    def test_an_error_of_level_0_is_its_sentence_alone(self):
        """As its author wanted it; whatever has a place, or comes from elsewhere than error(), keeps its traceback."""
        alone = [
            ("error('no tenant', 0)", "llmbench: setup: no tenant"),
            ("local ok, why = pcall(error, 'no tenant', 0) error(why, 0)", "llmbench: setup: no tenant"),
        ]
        traced = [
            ("error('no tenant')", "llmbench: setup: mine.lua:3: no tenant"),
            ("local ok, why = pcall(error, 'no tenant', 1) error('mine.lua:9: ' .. why, 0)", "llmbench: setup: mine.lua:9: no tenant"),
            ("assert(false, 'no tenant')", "llmbench: setup: mine.lua:3: no tenant"),
            ("error({})", "llmbench: setup: (the error is a table value)"),
        ]
        for told, cases in ((False, alone), (True, traced)):
            for line, sentence in cases:
                with self.subTest(line=line):
                    result = self.run_script(HEAD % f"function api.setup() {line} end", "--prompt", "x", expect=3)
                    self.assertTrue(result.err.startswith("llmbench: "), result.err)
                    self.assertIn(sentence, result.err)
                    self.assertEqual("stack traceback:" in result.err, told, result.err)
                    self.assertTrue(told or result.err == sentence + "\n", result.err)

    def test_an_answer_without_text_names_the_field_of_a_script_that_wants_none(self):
        nothing = "function api.read_event() return {} end"
        self.run_script(HEAD % nothing, "--prompt", "x", name="wants", expect=1)
        self.run_script(HEAD % (nothing + " api.text = false"), "--prompt", "x", name="wants-none", expect=0)
        row = self.database("wants").execute("SELECT outcome, error FROM result").fetchone()
        self.assertEqual(tuple(row), ("empty", "the answer holds no text (the script of a protocol without text says text = false)"))

    def test_later_mistakes_fail_their_own_request(self):
        line = "function api.build_request(m, o, ctx) if ctx.index == 1 then return nil end return build(m, o, ctx) end"
        self.run_script(HEAD % line, "--prompt", "x", "-n", "3", expect=0)
        rows = self.database().execute("SELECT outcome, error FROM result ORDER BY arrival").fetchall()
        self.assertEqual([row["outcome"] for row in rows], ["ok", "script_error", "ok"])
        self.assertIn("mine.lua:3: build_request: must return the body", rows[1]["error"])

    def test_nothing_is_left_on_the_disk(self):
        self.run_script(HEAD % "function api.build_request() end", "--prompt", "x", "--outputs-dir", self.path("out"), expect=3)
        self.assertFalse(os.path.exists(self.path("out")))


if __name__ == "__main__":
    unittest.main()
