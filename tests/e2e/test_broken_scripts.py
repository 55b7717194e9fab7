"""Broken scripts, each with one mistake: the sentence says where it is and what would be right, and with that one line
changed the script runs. Each row is (name, how the line is right, how it is broken, the sentence). The sentence must
name the line at which the fix is made, unless the row says that no line is known."""
import concurrent.futures
import contextlib
import re
import sqlite3
import unittest

from harness import Case, stats

BASE = '''local json, crypto, random = require "json", require "crypto", require "random"
local template, dataset = require "template", require "dataset"
local mine = {
    path = "/v1/chat/completions",
    framing = "sse",
    auth = "X-Key",
    end_marker = "data: [DONE]",
    params_at = "extra.params",
    param_names = { max_tokens = "most" },
    text = true,
}
mine.options = {
    { name = "tenant", help = "who pays", choices = "acme globex", default = "acme" },
    { name = "patience", type = "duration", help = "how long", min = 1, max = 600, default = "30s" },
}
mine.metrics = {
    { name = "words", unit = "count", title = "Words", of = function(sample) return #sample.text / 2 end },
    { name = "pace", unit = "s", over = "all", of = function(sample, ctx) return sample.latency and sample.latency / ctx.status end },
}
function mine.setup(opts)
    return { tag = crypto.hex(crypto.sha256(opts.tenant)), sizes = { random.integer(1, 9) } }
end
mine.refresh_every = 0.001
function mine.refresh(ctx, opts)
    return { tag = ctx.setup.tag, sizes = { opts.patience } }
end
function mine.given_header(name, value)
    return value:lower()
end
function mine.build_messages(opts, ctx)
    local rows, i = dataset.lines("prompts.txt"), 0
    return function()
        i = i + 1
        if i > 3 then return nil end
        local one = { role = "user", content = rows() }
        return { messages = { one }, headers = { ["X-Item"] = "a" }, delay = 0.001, weight = i }
    end
end
function mine.build_request(messages, opts, ctx)
    local body = { model = opts.model, messages = messages, stream = true, max_tokens = opts.max_tokens or 2 }
    body.metadata = json.decode('{"a": [1, null]}', { null = true })
    body.user = template.fill("user %m", { m = opts.tenant })
    body.tag = ctx.setup.tag .. crypto.base64(ctx.prompt.weight .. messages[1].role)
    local send = { headers = { ["X-Index"] = tostring(ctx.index) }, method = "POST" }
    send.url = opts.url
    send.user = { weight = ctx.prompt.weight }
    return body, send
end
function mine.read_event(data, name, ctx)
    if data == "[DONE]" then return { done = true } end
    local event = json.decode(data)
    local choice = event.choices[1]
    ctx.events = (ctx.events or 0) + 1
    return { content = choice and choice.delta.content, finish = choice and choice.finish_reason }
end
function mine.parse_responses(responses, request, ctx)
    local asked = request.max_tokens
    return ctx.user.weight, asked
end
function mine.done(summary, ctx)
    local longest = summary.metrics.latency.max
    return { lines = { "longest: " .. longest }, metrics = { { name = "longest", unit = "s", value = longest } } }
end
return mine
'''

# Where hooks and tables begin, which is what the program knows of a wrong result.
OPTIONS, METRICS, SETUP, REFRESH = "mine.options", "mine.metrics", "function mine.setup", "function mine.refresh"
GIVEN, ITEM, BUILD = "function mine.given_header", "    return function()", "function mine.build_request"
READ, PARSE, DONE = "function mine.read_event", "function mine.parse_responses", "function mine.done"
NOWHERE = None

# What keeps a run from starting: exit 3, nothing sent.
BEFORE = [
    # the language
    ("keyword", "local send = {", "local send == {", "unexpected symbol near '=='"),
    ("no-comma", 'path = "/v1/chat/completions",', 'path = "/v1/chat/completions"', "'}' expected (to close '{' at line 3) near 'framing'",
     "framing ="),
    ("open-string", 'auth = "X-Key",', 'auth = "X-Key,', "unfinished string near '\"X-Key,'"),
    ("curly-call", 'random.integer(1, 9)', 'random.integer(1, 9', "')' expected near '}'"),
    ("global", "local rows, i =", "local row, i =", "attempt to call global 'rows' (a nil value)", "rows() }"),
    # the modules
    ("no-module", 'template, dataset = require "template"', 'template, dataset = require "templte"', "module 'templte' not found"),
    ("module-name", 'local json, crypto, random = require "json"', 'local json, crypto, random = require "jsn"',
     "module 'jsn' not found (did you mean 'json'?)"),
    ("nil-call", "json.decode('{", "json.decod('{", "the module 'json' has no 'decod' (did you mean 'decode'?)"),
    ("nil-function", "crypto.sha256(", "crypto.digest(", "the module 'crypto' has no 'digest'; --help=lua shows what it has"),
    ("argument", "crypto.base64(ctx", "crypto.base64({}, ctx", "bad argument #1 to 'base64' (string expected, got table)"),
    ("arguments", "random.integer(1, 9)", "random.integer(9, 1)",
     "random.integer takes two whole numbers, the lower one first, not 9 and 1"),
    ("decode", "json.decode('{\"a\": [1, null]}', { null = true })", "json.decode({})",
     "bad argument #1 to 'decode' (string expected, got table)"),
    ("decode-how", "{ null = true }", "{ nulls = true }", "json.decode takes the field null, not 'nulls'"),
    ("fill", 'template.fill("user %m", { m = opts.tenant })', 'template.fill("user %m", opts.tenant)', "bad argument #2 to 'fill'"),
    ("path", '"prompts.txt"', '"prompt.txt"', "prompt.txt: cannot be opened: No such file or directory", NOWHERE),
    # the table
    ("no-return", "return mine\n", "\n",
     "a script must return its table of hooks, not nil; its last line is 'return' and the table", NOWHERE),
    ("returns-text", "return mine\n", "return 'mine'\n", "a script must return its table of hooks, not a string", NOWHERE),
    ("unknown", 'framing = "sse"', 'framng = "sse"', "unknown field 'framng' (did you mean 'framing'?)"),
    ("hook-name", "function mine.build_request(", "function mine.build_reqest(",
     "unknown field 'build_reqest' (did you mean 'build_request'?)"),
    ("hook-name-2", "function mine.build_messages(", "function mine.build_mesages(",
     "unknown field 'build_mesages' (did you mean 'build_messages'?)"),
    ("missing-hook", "function mine.parse_responses(", "local function parse_responses(",
     "the hook 'parse_responses(responses, request, ctx)' is missing; it returns prompt_tokens, completion_tokens", NOWHERE),
    ("hook-type", "mine.refresh_every = 0.001", 'mine.refresh_every = "1s"',
     "'refresh_every' must be a number of seconds from 0 to 10^9, not a string"),
    ("no-time", "mine.refresh_every = 0.001", "", "'refresh' is there without 'refresh_every'", REFRESH),
    ("path-slash", 'path = "/v1', 'path = "v1', "'path' is \"v1/chat/completions\"; it must begin with '/'"),
    ("path-type", 'path = "/v1/chat/completions"', "path = 1", "'path' must be a string, not 1"),
    ("framing-word", 'framing = "sse"', 'framing = "events"', "'framing' is \"events\"; it must be one of: sse ndjson body"),
    ("auth-word", 'auth = "X-Key"', 'auth = "X Key"', "'auth' is \"X Key\"; it must be \"bearer\", \"none\" or the name of a header"),
    ("marker", 'end_marker = "data: [DONE]"', 'end_marker = ""', "'end_marker' is empty or white space"),
    ("params-at", 'params_at = "extra.params"', 'params_at = "extra..params"',
     "'params_at' is \"extra..params\"; it must be names joined by dots"),
    ("param-names", 'max_tokens = "most" }', "max_tokens = 5 }", "'param_names' must name strings by strings, not a number by a string"),
    ("text-type", "text = true,", 'text = "yes",', "'text' must be true or false, not a string"),
    # options and metrics
    ("option-field", 'help = "who pays"', 'hlep = "who pays"', "options[1]: unknown field 'hlep' (did you mean 'help'?)", OPTIONS),
    ("option-type", 'type = "duration"', 'type = "time"', "options[2]: 'type' is \"time\"; it must be one of: text flag integer", OPTIONS),
    ("option-name", 'name = "patience"', 'name = "_patience"',
     "options[2]: 'name' is \"_patience\"; it must be lower-case letters", OPTIONS),
    ("option-taken", 'name = "tenant"', 'name = "parallel"',
     "options[1]: 'name' is \"parallel\", but --parallel is an option of the program", OPTIONS),
    ("option-default", 'default = "acme"', 'default = "acne"',
     "options[1]: 'default' does not fit: --tenant 'acne': must be one of: acme globex", OPTIONS),
    ("option-bounds", "min = 1, max = 600", "min = 600, max = 1",
     "options[2]: 'min' is 600 and 'max' is 1; nothing lies between them", OPTIONS),
    ("metric-unit", 'unit = "count"', 'unit = 5', "metrics[1]: 'unit' must be a string, not 5", METRICS),
    ("metric-name", 'name = "words"', 'name = "Words!"',
     "metrics[1]: 'Words!': a metric's name must be lower-case letters, digits and _", METRICS),
    ("metric-twice", 'name = "pace"', 'name = "words"', "metrics[2]: 'words'", METRICS),
    ("metric-built-in", 'name = "pace"', 'name = "latency"', "metrics[2]: 'latency': that is the name of a built-in metric", METRICS),
    ("metric-over", 'over = "all"', 'over = "failures"', "metrics[2]: 'over' is \"failures\"; it must be one of: successes all", METRICS),
    ("metric-of", "of = function(sample, ctx)", "off = function(sample, ctx)",
     "metrics[2]: unknown field 'off' (did you mean 'of'?)", METRICS),
    # setup and given_header
    ("opts", "crypto.sha256(opts.tenant)", "crypto.sha256(opts.tennant)", "no option 'tennant' (did you mean 'tenant'?)"),
    ("setup-function", "sizes = { random.integer(1, 9) }", "sizes = { random.integer }",
     "its result.sizes[1]: a function cannot go from one Lua state to another; only plain data can", SETUP),
    ("setup-nil", 'return { tag = crypto.hex(crypto.sha256(opts.tenant)), sizes = { random.integer(1, 9) } }', 'return nil, "no tag"',
     "setup: gave nil and \"no tag\"; what went wrong is raised: error(message)", SETUP),
    ("given-header", "return value:lower()", "return #value", "given_header: must return a string or nil, not a number", GIVEN),
    # items
    ("no-iterator", "local rows, i = dataset.lines", "if opts then return end local rows, i = dataset.lines",
     "build_messages: must return an iterator (one function that gives the next item), not nil", "function mine.build_messages"),
    ("item-number", "return { messages = { one }, ", "return i, { messages = { one }, ",
     "an item must be messages, a string or a table, not a number", ITEM),
    ("item-empty", "{ messages = { one }", "{ mesages = { one }", "the item has neither messages nor prompt nor body", ITEM),
    ("item-list", "{ messages = { one }", "{ messages = one", "'messages' is empty; it must be a list of {role=, content=}", ITEM),
    ("role", 'role = "user", content = rows()', 'role = 1, content = rows()', "messages[1]: 'role' must be a string, not a number", ITEM),
    ("delay", "delay = 0.001", "delay = -1", "the item: 'delay' must be a number of seconds from 0 to 10^9, not -1", ITEM),
    ("item-header", '["X-Item"] = "a"', '["X Item"] = "a"', "the item: \"X Item\" cannot be the name of a header", NOWHERE),
    ("item-end", "if i > 3 then return nil end", "if i > 0 then return nil, 'empty' end",
     "the iterator gave nil and \"empty\"; nil alone ends the data", ITEM),
    ("no-data", "if i > 3 then", "if i > 0 then", "holds no usable prompt", NOWHERE),
    # requests
    ("no-body", "return body, send", "body.send = send", "build_request: must return the body as a table or a string, not nil", BUILD),
    ("swapped", "return body, send", "return send, body", "the second result: unknown field ", BUILD),
    ("three", "return body, send", "return body, send, ctx",
     "build_request: must return the body and at most one table more, not 3 values", BUILD),
    ("send-field", "send = { headers = {", "send = { header = {",
     "the second result: unknown field 'header' (did you mean 'headers'?)", BUILD),
    ("header-value", "= tostring(ctx.index) }", "= ctx.index }",
     "the second result: a header's value must be a string, not a number", BUILD),
    ("header-name", '["X-Index"]', '["X-Index:"]', "\"X-Index:\" cannot be the name of a header", BUILD),
    ("method", 'method = "POST"', 'method = "Post"', "'method' is \"Post\"; it must be capital letters such as POST", BUILD),
    ("url", "send.url = opts.url", 'send.url = "/v1"', "'url' is \"/v1\"; it must begin with http:// or https://", BUILD),
    ("url-blank", "send.url = opts.url", 'send.url = opts.url .. " "',
     "'url' holds the byte 0x20; blanks and control characters have to be percent-encoded", BUILD),
    ("user", "send.user = { weight = ctx.prompt.weight }", "send.user = { weight = print }",
     "user.weight: a function cannot go from one Lua state to another", BUILD),
    ("body-value", 'body.user = template.fill("user %m", { m = opts.tenant })', "body.user = template.fill",
     "body.user: a function cannot be JSON", BUILD),
    ("body-number", "opts.max_tokens or 2", "1 / 0", "body.max_tokens: an infinite number cannot be JSON", BUILD),
    ("body-mixed", "body.metadata = json.decode('{\"a\": [1, null]}', { null = true })", "body.metadata = { 1, a = 2 }",
     "body.metadata: a table with list elements and named fields such as a cannot be JSON", BUILD),
    ("opts-name", "opts.max_tokens or 2", "opts.max_token or 2", "no option 'max_token' (did you mean 'max_tokens'?)"),
    ("opts-write", "send.url = opts.url", "opts.url = nil", "opts is read-only"),
    ("ctx-nil", "ctx.setup.tag ..", "ctx.setp.tag ..", "attempt to index field 'setp' (a nil value)"),
    ("concat", "ctx.setup.tag ..", "ctx.setup ..", "attempt to concatenate field 'setup' (a table value)"),
]

# What only an answer can show: a row's fault, and the column that has it.
ROW, TOKENS, METRIC, LOG = "error", "token_error", "metric_error", "log"
AFTER = [
    ("event-text", "return { done = true }", "return 'done'", ROW, "read_event: must return nil or a table, not a string", READ),
    ("event-field", "return { content =", "return { text =", ROW,
     "read_event: its result: unknown field 'text'; there are: content, reasoning, ", READ),
    ("event-type", "return { content = choice and choice.delta.content,", "return { content = choice and choice.delta,", ROW,
     "read_event: its result: 'content' must be a string, not a table", READ),
    ("event-done", "return { done = true }", "return { done = 1 }", ROW,
     "read_event: its result: 'done' must be true or false, not 1", READ),
    ("event-usage", "finish = choice and choice.finish_reason }", "usage = { prompt_tokens = 1 } }", ROW,
     "read_event: its 'usage': unknown field 'prompt_tokens'; there are: prompt, completion, cached, reasoning", READ),
    ("event-index", "return { content =", "return { index = -1, content =", ROW, "'index' must be a whole number from 0, not -1", READ),
    ("event-nil", 'if data == "[DONE]" then return { done = true } end', "local _", ROW, "attempt to index local 'event' (a nil value)",
     "event.choices"),
    ("event-module", "local event = json.decode(data)", "local event = json.parse(data)", ROW, "the module 'json' has no 'parse'"),
    ("event-opts", "ctx.events = (ctx.events or 0) + 1", "ctx.events = ctx.events + 1", ROW,
     "attempt to perform arithmetic on field 'events' (a nil value)"),
    ("tokens-text", "return ctx.user.weight, asked", "return tostring(ctx.user.weight), asked", TOKENS,
     "parse_responses: prompt_tokens must be a whole number from 0 or nil, not a string", PARSE),
    ("tokens-half", "return ctx.user.weight, asked", "return ctx.user.weight, asked / 4", TOKENS,
     "parse_responses: completion_tokens must be a whole number from 0 or nil, not 0.5", PARSE),
    ("tokens-three", "return ctx.user.weight, asked", "return ctx.user.weight, asked, responses", TOKENS,
     "parse_responses: must return prompt_tokens, completion_tokens, not 3 values", PARSE),
    ("tokens-nil", "local asked = request.max_tokens", "local asked = request.parameters.max_tokens", TOKENS,
     "attempt to index field 'parameters' (a nil value)"),
    ("metric-text", "return #sample.text / 2 end", "return sample.text end", METRIC,
     "metric 'words': must return a number or nil, not a string"),
    ("metric-infinite", "return #sample.text / 2 end", "return #sample.text / 0 end", METRIC,
     "metric 'words': must return a number or nil, not inf"),
    ("metric-field", "return #sample.text / 2 end", "return #sample.txet / 2 end", METRIC, "sample has no 'txet' (did you mean 'text'?)"),
    ("refresh-nil", "sizes = { opts.patience } }", "sizes = { opts.patience.x } }", LOG,
     "attempt to index field 'patience' (a number value)"),
    ("refresh-result", "sizes = { opts.patience } }", "sizes = { print } }", LOG,
     "refresh: its result.sizes[1]: a function cannot go from one Lua state to another", REFRESH),
    ("done-field", "return { lines =", "return { line =", LOG, "done: its result: unknown field 'line' (did you mean 'lines'?)", DONE),
    ("done-unit", 'unit = "s", value', 'unit = 5, value', LOG, "done: metrics[1]: 'unit' must be a string, not 5", DONE),
    ("done-value", "value = longest", "value = {}", LOG, "done: metrics[1]: 'value' must be a number, not a table", DONE),
    ("done-nil", "summary.metrics.latency.max", "summary.metrics.latencies.max", LOG, "attempt to index field 'latencies' (a nil value)"),
]


FRAMED = '''local http, time = require "http", require "time"
local mine = { path = "/v1/chat/completions", framing = "sse" }
function mine.setup(opts)
    local answer, why = http.get(opts.url:match("^%w+://[^/]+") .. "/stats", { timeout = 5 })
    time.sleep(0.001)
    return { seen = #answer.body }
end
function mine.build_messages()
    local n = 0
    return function() n = n + 1 if n < 4 then return "Say " .. n end end
end
function mine.build_request(messages, opts)
    return { model = opts.model, messages = messages, stream = true, max_tokens = 2 }
end
function mine.frame(bytes, pos)
    local from, to = bytes:find("data: [^\\n]*\\n\\n", pos)
    if not from then return nil end
    return from + 6, to - 2, to + 1
end
function mine.read_event(data, name)
    return { content = name == "" and data or nil, done = data == "[DONE]" }
end
function mine.parse_responses(responses)
    return nil, #responses
end
return mine
'''

SETUP_2, FRAME = "function mine.setup", "function mine.frame"
FRAMED_BEFORE = [
    ("no-host", 'http.get(opts.url:match("^%w+://[^/]+") .. "/stats", { timeout = 5 })', 'http.get("/stats")',
     "http.request: 'url' must begin with http:// or https://"),
    ("http-option", "{ timeout = 5 }", "{ timout = 5 }", "{headers=, timeout=} is what it takes, not 'timout'"),
    ("http-timeout", "{ timeout = 5 }", '{ timeout = "5s" }', "http.request: 'timeout' must be seconds, not a string"),
    ("sleep", "time.sleep(0.001)", "time.sleep(-1)", "time.sleep"),
    ("sleep-late", "return { model = opts.model,", "time.sleep(1) return { model = opts.model,", "setup and refresh"),
    ("http-late", "return { model = opts.model,", "http.get(opts.url) return { model = opts.model,", "setup and refresh"),
]
FRAMED_AFTER = [
    ("frame-none", "return from + 6, to - 2, to + 1", "return from + 6, to - 2", ROW,
     "frame: must return from, to, next or nil, but 'next' is nil", FRAME),
    ("frame-true", "return from + 6, to - 2, to + 1", "return true, to - 2, to + 1", ROW,
     "frame: must return from, to, next or nil, but 'from' is a boolean", FRAME),
    ("frame-back", "return from + 6, to - 2, to + 1", "return from + 6, to - 2, from", ROW,
     "frame: 'next' is 1; it must be a whole number from ",
     FRAME),
    ("frame-beyond", "return from + 6, to - 2, to + 1", "return from + 6, to + 1e6, to + 1", ROW, "frame: 'to' is 10", FRAME),
]


class Broken:
    """One row: the script with the mistake, and the one line that mends it."""

    def __init__(self, base, name, right, wrong, sentence, place="", column=None):
        self.name, self.right, self.wrong, self.sentence, self.column = name, right, wrong, sentence, column
        self.base, self.text = base, base.replace(right, wrong)
        self.file = f"{name}.lua"
        if place is not NOWHERE:
            at = self.text.index(place) if place else base.index(right)
            self.file += f":{self.text[:at].count(chr(10)) + 1}: "

    def mended(self, said):
        """The script with the change that the sentence asks for: made from its own words where it asks what was meant."""
        meant = re.search(r"'(\w+)'[^']* \(did you mean '(\w+)'\?\)", said)
        if meant:
            return re.sub(rf"\b{meant.group(1)}\b", meant.group(2), self.text)
        place = self.base.index(self.right)
        return self.text[:place] + self.right + self.text[place + len(self.wrong):]


def table(base, rows, with_column=False):
    if with_column:
        return [Broken(base, *row[:3], *row[4:], column=row[3]) for row in rows]
    return [Broken(base, *row) for row in rows]


BROKEN_BEFORE = table(BASE, BEFORE) + table(FRAMED, FRAMED_BEFORE)
BROKEN_AFTER = table(BASE, AFTER, True) + table(FRAMED, FRAMED_AFTER, True)


class BrokenScripts(Case):
    def setUp(self):
        super().setUp()
        self.root = self.mock("--ttft", "1ms", "--itl", "0", "--tokens", 2)
        self.write("prompts.txt", "one\ntwo\nthree\n")

    def run_all(self, scripts, run):
        """Runs {name: text}, a few at once; returns {name: result}."""
        def one(name, text):
            self.write(name + ".lua", text)
            return self.llmbench("-s", name + ".lua", "--url", self.root, "--model", "m", "--name", name + run, "-H", "X-A: B", "-n", 3,
                                 "-q")
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            running = {name: pool.submit(one, name, text) for name, text in scripts.items()}
            return {name: job.result() for name, job in running.items()}

    def rows(self, name):
        with contextlib.closing(sqlite3.connect(f"file:{self.path('outputs/' + name + '.db')}?mode=ro", uri=True)) as base:
            base.row_factory = sqlite3.Row
            return base.execute("SELECT outcome, error, token_error, metric_error FROM result ORDER BY arrival").fetchall()

    def check_sentence(self, broken, text):
        self.assertIn(broken.sentence, text)
        self.assertIn(broken.file, text.partition("stack traceback:")[0] if ":" in broken.file else text)

    def check_mended(self, every, said):
        """One line changed, and the script runs without a word."""
        mended = {broken.name: broken.mended(said[broken.name]) for broken in every}
        for broken in every:
            changed = [a != b for a, b in zip(broken.text.split("\n"), mended[broken.name].split("\n"))]
            self.assertEqual((broken.name, sum(changed), mended[broken.name] == broken.base), (broken.name, 1, True))
        results = self.run_all(mended, "-mended")
        for broken in every:
            with self.subTest(mended=broken.name):
                self.assertEqual((results[broken.name].code, results[broken.name].err), (0, ""))
                self.assertEqual([tuple(row) for row in self.rows(broken.name + "-mended")], [("ok", None, None, None)] * 3)

    def test_the_names_are_different(self):
        names = [broken.name for broken in BROKEN_BEFORE + BROKEN_AFTER]
        self.assertEqual(sorted(set(names)), sorted(names))
        self.assertGreaterEqual(len(names), 40)

    def test_before_the_first_request(self):
        results = self.run_all({broken.name: broken.text for broken in BROKEN_BEFORE}, "")
        for broken in BROKEN_BEFORE:
            with self.subTest(broken.name):
                result = results[broken.name]
                self.assertEqual(result.code, 3, result.err)
                self.check_sentence(broken, result.err)
                head, *rest = result.err.splitlines()
                self.assertTrue(head.startswith("llmbench: "), head)
                self.assertTrue(not rest or rest[0] == "stack traceback:", result.err)
        self.assertEqual(stats(self.root)["requests"]["total"], 0)
        self.check_mended(BROKEN_BEFORE, {name: result.err for name, result in results.items()})

    def test_when_an_answer_is_read(self):
        results, said = self.run_all({broken.name: broken.text for broken in BROKEN_AFTER}, ""), {}
        for broken in BROKEN_AFTER:
            with self.subTest(broken.name):
                result, rows = results[broken.name], self.rows(broken.name)
                said[broken.name] = result.err if broken.column == LOG else rows[0][broken.column] or ""
                self.assertEqual(result.code, 1 if broken.column == ROW else 0, result.err)
                self.assertEqual({row["outcome"] for row in rows}, {"script_error" if broken.column == ROW else "ok"})
                self.check_sentence(broken, said[broken.name])
        self.check_mended(BROKEN_AFTER, said)


if __name__ == "__main__":
    unittest.main()
