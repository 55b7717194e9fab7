"""Every option does something: a table with a case for each row of --help=options-md, run with and without it, judged by
the bytes at a server or by what the program printed, wrote or did. And the forms in which options may be written."""
import contextlib
import json
import os
import re
import sqlite3
import ssl
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from harness import Case, GOOD, LLMBENCH, SOURCE, ScriptedServer, clean_environment, judged_by_the_clock, plain, read_request
from test_tokens import BPE, TOKENIZER

CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
HANGS = 2.5  # seconds after which a run that should end sooner is taken for one that waits


def option_rows():
    """What --help=options-md lists: {command: {name: [its other names, letters included]}}."""
    text = subprocess.run([LLMBENCH, "--help=options-md"], capture_output=True, check=True).stdout.decode()
    rows, command = {}, None
    for line in text.splitlines():
        if heading := re.match(r"## (?:`llmbench (?:\[run\]|(\w+)))?", line):
            command = (heading.group(1) or "run") if "llmbench" in line else None
        if command and line.startswith("| `-"):
            names = re.findall(r"`--?([\w-]+)", re.split(r"(?<!\\)\|", line)[1])
            first = next(name for name in names if len(name) > 1)
            rows.setdefault(command, {})[first] = [name for name in names if name != first]
    return rows


class Seen:
    """What a server saw of a run, and what the run left behind."""

    def __init__(self):
        self.lock = threading.Lock()
        self.lines, self.headers, self.raw, self.times = [], [], [], []
        self.open = self.most = self.posts = 0
        self.code, self.out, self.err, self.files, self.base, self.took = None, "", "", [], None, 0

    def note(self, request):
        with self.lock:
            self.times.append(time.monotonic())
            self.lines.append(request[0])
            self.headers.append(request[1])
            self.raw.append(request[2])
            self.open += 1
            self.most = max(self.most, self.open)

    @property
    def body(self):
        return json.loads(self.raw[0])

    @property
    def bodies(self):
        return [json.loads(raw) for raw in self.raw]

    def header(self, name):
        return self.headers[0].get(name)

    def column(self, name):
        return [row[0] for row in self.base.execute(f"SELECT {name} FROM result ORDER BY arrival")]

    @property
    def prompts(self):
        return [body["messages"][-1]["content"] for body in self.bodies]

    @property
    def spread(self):
        return max(self.times) - min(self.times)

    @property
    def due_gaps(self):
        due = self.column("due_ns")
        return [b - a for a, b in zip(due, due[1:])]


class Server:
    """Answers as the query of the URL says: ?delay=SECONDS, ?stall=1 (never), ?fail=1 (500), ?big=1 (a long answer),
    ?head=1 (a long head)."""

    def __init__(self, seen, context=None):
        self.seen = seen
        self.over = threading.Event()
        self.scripted = ScriptedServer(self.serve, context=context)
        self.root = self.scripted.url

    def serve(self, connection, _):
        while request := read_request(connection):
            self.seen.note(request)
            asked = dict(re.findall(r"[?&](\w+)=([\d.]+)", request[0]))
            if "stall" in asked:
                self.over.wait(30)
                return
            time.sleep(float(asked.get("delay", 0)))
            with self.seen.lock:
                self.seen.open -= 1
            if "fail" in asked:
                connection.sendall(plain({"error": "no"}, "500 No"))
            elif "head" in asked:
                connection.sendall(GOOD.replace(b"\r\n", b"\r\nx-long: " + b"y" * 2000 + b"\r\n", 1))
            elif "big" in asked:
                connection.sendall(plain({**CHAT, "padding": "x" * 100_000}))
            else:
                connection.sendall(GOOD if b'"stream":true' in request[2] else plain(CHAT))

    def close(self):
        self.over.set()
        self.scripted.close()


class Row:
    """One option's case: with `words` and without, over `base`; `see` picks what must differ, and `want` says what it must
    be with the option (a value, or a function of it that returns whether it is right)."""

    def __init__(self, words, see, want, base=("--prompt", "hello"), query="", env=None, hub=False, tls=False, bare=False,
                 silent=False):
        self.words, self.see, self.want, self.base, self.query = words.split(" "), see, want, base, query
        self.env, self.hub, self.tls, self.bare, self.silent = env or {}, hub, tls, bare, silent


def key(name, want, base=("--prompt", "hello")):
    """An option whose value stands in the body under this name."""
    def make(words):
        return Row(words, lambda seen: seen.body.get(name), want, base)
    return make


FIVE = ("--dataset", "five.txt")  # "ab", "abcd", "abcdef", "abcdefgh", "abcdefghij"
TEXTS = ["ab", "abcd", "abcdef", "abcdefgh", "abcdefghij"]
COUNTED = ("--tokenizer-path", TOKENIZER)
LUA = ("--script", "own.lua", "--prompt", "hello")  # body {kind=type(messages), drawn=…}

ROWS = {
    "url": Row("--url {root}/v1/chat/completions", lambda s: (s.code, len(s.lines)), (0, 1), bare=True),
    "max-memory": Row("--max-memory 16m", lambda s: "reached --max-memory" in s.out + s.err, True,
                      ("--script", "heavy.lua", "--prompt", "hello", "-n", "8", "-c", "8"), "?delay=0.2"),
    "fail-on": Row("--fail-on failed<1", lambda s: (s.code, "PASS" in s.out, "FAIL" in s.out), (1, False, True)),
    "max-errors": Row("--max-errors 2", lambda s: len(s.raw), lambda v: 2 <= v < 3000,
                      ("--prompt", "hello", "-n", "4000"), "?fail=1"),
    "max-error-rate": Row("--max-error-rate 5%", lambda s: len(s.raw), lambda v: 20 <= v < 3000,
                          ("--prompt", "hello", "-n", "4000"), "?fail=1"),
    "wait-ready": Row("--wait-ready 5s", lambda s: s.lines[0], "GET /health HTTP/1.1"),
    "wait-ready-path": Row("--wait-ready-path /up --wait-ready 5s", lambda s: s.lines[0], "GET /up HTTP/1.1"),
    "preconnect": Row("--preconnect", lambda s: any(line.startswith("GET / ") for line in s.lines), True),
    "preconnect-path": Row("--preconnect-path /ready --preconnect", lambda s: any(line.startswith("GET /ready ") for line in s.lines), True),
    "pin": Row("--pin", lambda s: "--pin" in s.err, True),
    "hook-timeout": Row("--hook-timeout 200ms", lambda s: (s.code, "not return within 0.2 s" in s.err), (3, True),
                        ("--script", "slow.lua", "--prompt", "hello")),
    "lua-memory": Row("--lua-memory 8m", lambda s: (s.code, "Lua heap" in s.err), (3, True),
                      ("--script", "greedy.lua", "--prompt", "hello")),
    "model": key("model", "other")("--model other"),
    "endpoint": key("model", "deployed")("--endpoint deployed"),
    "model-type": Row("--model-type Completion", lambda s: (s.lines[0], s.body.get("prompt")),
                      ("POST /v1/completions HTTP/1.1", "hello")),
    "api": Row("--api zhipu", lambda s: s.body.get("stream_options"), None, ("--prompt", "hello", "--stream")),
    "script": Row("--script own.lua", lambda s: s.body.get("kind"), "table"),
    "api-key": Row("--api-key key-1234", lambda s: s.header("authorization"), "Bearer key-1234"),
    "header": Row("--header X-One:1", lambda s: s.header("x-one"), "1"),
    "headers": Row("--headers X-One=1=2", lambda s: s.header("x-one"), "1=2"),
    "insecure": Row("--insecure", lambda s: s.code, 0, tls=True),
    "cacert": Row("--cacert ca.pem", lambda s: s.code, 0, tls=True),
    "cert": Row("--cert ca.pem", lambda s: s.code, 0, ("--prompt", "hello", "--insecure", "--key", "ca.key"), tls=True),
    "key": Row("--key ca.key", lambda s: s.code, 0, ("--prompt", "hello", "--insecure", "--cert", "ca.pem"), tls=True),
    "compressed": Row("--compressed", lambda s: s.header("accept-encoding"), lambda v: "gzip" in v),
    "connect-timeout": Row("--connect-timeout 300ms", lambda s: s.code, 3, silent=True),
    "read-timeout": Row("--read-timeout 300ms", lambda s: s.column("outcome"), ["timeout_read"],
                        ("--prompt", "hello", "--total-timeout", "3s"), "?stall=1"),
    "total-timeout": Row("--total-timeout 300ms", lambda s: s.column("outcome"), ["timeout_total"],
                         ("--prompt", "hello", "--read-timeout", "3s"), "?stall=1"),
    "max-response-bytes": Row("--max-response-bytes 10k", lambda s: s.column("outcome"), ["too_large"], query="?big=1"),
    "max-header-bytes": Row("--max-header-bytes 1k", lambda s: s.column("outcome"), ["too_large"], query="?head=1"),
    "max-request-bytes": Row("--max-request-bytes 1k", lambda s: s.code, 3,
                             ("--prompt", "long " * 400, "-n", "1")),
    "max-row-bytes": Row("--max-row-bytes 1k", lambda s: s.code, 3, ("--dataset", "long.txt", "-n", "1")),
    "dataset": Row("--dataset longalpaca", lambda s: s.prompts, lambda v: len(v[0]) > 200, ("-n", "1", "--offline")),
    "dataset-path": Row("--dataset-path five.txt", lambda s: s.prompts, ["ab"],
                        ("-n", "1", "--dataset", "line_by_line")),
    "prompt": Row("--prompt hello", lambda s: s.prompts, ["hello"], ("-n", "1", "--offline")),
    "test-set": Row("--test-set set.txt", lambda s: s.body.get("max_tokens"), 7, ("-n", "1", "--offline")),
    "min-prompt-length": Row("--min-prompt-length 6", lambda s: s.prompts, ["abcdefgh", "abcdefghij"], FIVE),
    "max-prompt-length": Row("--max-prompt-length 6", lambda s: s.prompts, ["ab", "abcd"], FIVE),
    "min-prompt-tokens": Row("--min-prompt-tokens 5", lambda s: s.prompts,
                             [text for text in TEXTS if BPE.count(text) >= 5], (*FIVE, *COUNTED)),
    "max-prompt-tokens": Row("--max-prompt-tokens 5", lambda s: s.prompts,
                             [text for text in TEXTS if BPE.count(text) <= 5], (*FIVE, *COUNTED)),
    "tokenizer-path": Row(f"--tokenizer-path {TOKENIZER}", lambda s: s.column("event_token_source"), ["tokenizer"],
                          ("--prompt", "hello", "--stream")),
    "check-tokens": Row("--check-tokens", lambda s: s.column("tokenizer_completion_tokens"), [BPE.count("Hello")],
                        ("--prompt", "hello", *COUNTED)),
    "input-tokens": Row("--input-tokens 7", lambda s: [BPE.count(prompt) for prompt in s.prompts], [7],
                        ("--dataset", "random", *COUNTED, "-n", "1")),
    "prefix-tokens": Row("--prefix-tokens 30", lambda s: len({tuple(BPE.encode(prompt)[:30]) for prompt in s.prompts}), 1,
                         ("--dataset", "random", *COUNTED, "--input-tokens", "40", "-n", "3")),
    "apply-chat-template": Row("--apply-chat-template=false", lambda s: s.body["kind"], "string", LUA),
    "no-apply-chat-template": Row("--no-apply-chat-template", lambda s: s.body["kind"], "string", LUA),
    "offline": Row("--offline", lambda s: s.posts, 0, ("-n", "1", "--dataset", "openqa"), hub=True),
    "number": Row("--number 3", lambda s: len(s.raw), 3),
    "duration": Row("--duration 300ms", lambda s: len(s.raw), lambda v: v > 3, query="?delay=0.02"),
    "runtime": Row("--runtime 300ms", lambda s: len(s.raw), lambda v: 2 <= v < 10, ("--prompt", "hello", "-n", "10"),
                   "?delay=0.1"),
    "grace": Row("--grace 100ms", lambda s: s.column("outcome"), ["cancelled"],
                 ("--prompt", "hello", "--duration", "200ms"), "?delay=1"),
    "parallel": Row("--parallel 4", lambda s: s.most, 4, ("--prompt", "hello", "-n", "8"), "?delay=0.2"),
    "rate": Row("--rate -1", lambda s: s.most, 5, ("--prompt", "hello", "-n", "5"), "?delay=0.3"),
    "arrival": Row("--arrival constant", lambda s: max(s.due_gaps) - min(s.due_gaps), lambda v: v < 1000,
                   ("--prompt", "hello", "-n", "20", "--rate", "200")),
    "trace-speed": Row("--trace-speed 4", lambda s: [round(gap / 1e6) for gap in s.due_gaps], [100],
                       ("--dataset", "trace.jsonl", "--arrival", "trace")),
    "spawn-rate": Row("--spawn-rate 10", lambda s: s.spread > 0.25, True, ("--prompt", "hello", "-n", "4", "-c", "4"),
                      "?delay=0.5"),
    "warmup-num": Row("--warmup-num 3", lambda s: (len(s.raw), s.column("stage")), (4, [0, 0, 0, 1]),
                      ("--prompt", "hello", "-n", "1")),
    "sleep-interval": Row("--sleep-interval 50ms", lambda s: s.spread < 2, True,
                          ("--prompt", "hello", "-c", "1", "2", "-n", "2")),
    "same-prompts": Row("--same-prompts", lambda s: len(set(s.prompts)), 2,
                        (*FIVE, "-c", "1", "2", "-n", "2", "--sleep-interval", "0")),
    "threads": Row("--threads 2", lambda s: set(s.column("worker")), {0, 1},
                   ("--prompt", "hello", "-n", "12", "-c", "4"), "?delay=0.05"),
    "plan-seed": Row("--plan-seed 7", lambda s: (s.due_gaps, s.bodies[0]["drawn"]), lambda v: len(v[0]) == 5,
                     (*LUA, "-n", "6", "--rate", "500")),
    "stream": key("stream", True)("--stream"),
    "max-tokens": key("max_tokens", 5)("--max-tokens 5"),
    "temperature": key("temperature", -0.25)("--temperature -0.25"),
    "top-p": key("top_p", 0.8)("--top-p 0.8"),
    "top-k": key("top_k", 7)("--top-k 7"),
    "frequency-penalty": key("frequency_penalty", -1)("--frequency-penalty -1"),
    "presence-penalty": key("presence_penalty", 0.5)("--presence-penalty 0.5"),
    "repetition-penalty": key("repetition_penalty", 1.1)("--repetition-penalty 1.1"),
    "n-choices": key("n", 2)("--n-choices 2"),
    "seed": key("seed", 9007199254740993)("--seed 9007199254740993"),
    "stop": key("stop", ["a", "b"])("--stop a b"),
    "stop-token-ids": key("stop_token_ids", [1, 2, 3])("--stop-token-ids 1 2,3"),
    "logprobs": key("logprobs", True)("--logprobs"),
    "query-template": key("extra", "m hello")('--query-template {{"extra":"%m§%p"}}'),
    "hyperparameters": key("penalty", 2)('--hyperparameters {{"penalty":2}}'),
    "parameters": Row("--parameters a=1 b=bool_true c=x=y", lambda s: [s.body.get(k) for k in "abc"], [1, True, "x=y"]),
    "extra-args": key("chat_template_kwargs", {"think": False})(
        '--extra-args {{"chat_template_kwargs":{{"think":false}}}}'),
    "name": Row("--name again", lambda s: "outputs/again.db" in s.files, True),
    "outputs-dir": Row("--outputs-dir else/where", lambda s: [f.rpartition("/")[0] for f in s.files], ["else/where"] * 2),
    "json": Row("--json report.json", lambda s: "report.json" in s.files, True),
    "log-every-n-query": Row("--log-every-n-query 2", lambda s: len(re.findall(r"^Time: ", s.err, re.M)),
                             lambda v: 2 <= v <= 4, ("--prompt", "hello", "-n", "8"), "?delay=0.3"),
    "quiet": Row("--quiet", lambda s: s.err, ""),
    "debug": Row("--debug", lambda s: len(re.findall(r"request 0 .*hello|request 0 \+.*Hello", s.err)), 2),
    "report": Row("--report qianfan zh", lambda s: ("FirstTokenLatency" in s.out, "Succeed requests" in s.out),
                  (True, False)),
    "report-interval": Row("--report-interval 0.2s", lambda s: len(re.findall(r"\[并发\]", s.err)), lambda v: v >= 3,
                           ("--prompt", "hello", "-n", "5", "--report", "zh"), "?delay=0.3"),
    "store": Row("--store none", lambda s: s.column("request IS NULL"), [1]),
    "store-max": Row("--store-max 1", lambda s: s.column("request IS NULL"), [1]),
    "work-dir": Row("--work-dir there", lambda s: [bool(re.match(r"there/output/.*-\d{14}/", f)) for f in s.files],
                    [True, True]),
    "desc": Row("--desc words", lambda s: json.loads(s.base.execute("SELECT options FROM run").fetchone()[0]).get("desc"),
                "words"),
    "wandb": Row("--wandb", lambda s: s.posts > 0, True, env={"WANDB_API_KEY": "wandb-1234"}, hub=True),
    "wandb-api-key": Row("--wandb-api-key wandb-1234", lambda s: s.posts > 0, True, hub=True),
    "wandb-project": Row("--wandb-project mine", lambda s: (b'"mine"' in s.hub, b"perf_benchmark" in s.hub), (True, False),
                         ("--prompt", "hello", "--wandb"), env={"WANDB_API_KEY": "wandb-1234"}, hub=True),
    "resume": Row("--resume none.db", lambda s: (s.code, len(s.lines), "--resume: cannot read none.db" in s.err), (2, 0, True)),
    "config": key("max_tokens", 3)("--config run.json"),
    "env-file": Row("--env-file keys.env", lambda s: s.header("authorization"), "Bearer from-the-file"),
    "dump-config": Row("--dump-config", lambda s: (s.code, len(s.lines), '"prompt": "hello"' in s.out, s.files),
                       (0, 0, True, [])),
}

# A setup that takes its time, and one that holds much.
SLOW_LUA = """local api = require "apis.openai"
function api.setup() local begin = os.clock() while os.clock() - begin < 0.6 do end end
return api"""
GREEDY_LUA = """local api = require "apis.openai"
function api.setup() return #("x"):rep(20 * 2 ^ 20) end
return api"""

# Requests of 6 MiB.
HEAVY_LUA = """local api = require "apis.openai"
function api.build_request() return { padding = ("x"):rep(6 * 2 ^ 20) } end
return api"""

OWN_LUA = """return {
    build_request = function(messages, opts, ctx)
        return { kind = type(messages), drawn = math.random(1000000) }
    end,
    parse_responses = function() return 1, 1 end,
    read_event = function(data) return { content = "x", done = true } end,
}"""


class EveryOption(Case):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.inputs = {"five.txt": "ab\nabcd\nabcdef\nabcdefgh\nabcdefghij\n", "set.txt": "7|one\n", "long.txt": "long " * 400 + "\n", "own.lua": OWN_LUA,
                       "slow.lua": SLOW_LUA, "greedy.lua": GREEDY_LUA, "heavy.lua": HEAVY_LUA,
                       "trace.jsonl": '{"prompt": "a", "at": 0}\n{"prompt": "b", "at": 0.4}\n',
                       "run.json": '{"max_tokens": 3}', "keys.env": "LLMBENCH_API_KEY='from-the-file' # x\n"}

    def certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                        self.path("ca.key"), "-out", self.path("ca.pem")], check=True, capture_output=True, timeout=60)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("ca.pem"), self.path("ca.key"))
        return context

    def hub(self, seen):
        """Stands in for what is on the internet, and has nothing."""
        def serve(connection, _):
            while request := read_request(connection):
                with seen.lock:
                    seen.posts += 1
                    seen.hub += request[2]
                connection.sendall(plain({"error": "no"}, "401 Unauthorized"))
        seen.hub = b""
        server = ScriptedServer(serve)
        self.addCleanup(server.close)
        return {"WANDB_BASE_URL": server.url, "HF_ENDPOINT": server.url, "MODELSCOPE_ENDPOINT": server.url,
                "XDG_CACHE_HOME": self.path("cache")}

    def silent_url(self):
        """Accepts and says nothing, so that no TLS comes about."""
        over = threading.Event()
        server = ScriptedServer(lambda connection, _: over.wait(30))
        self.addCleanup(server.close)
        self.addCleanup(over.set)
        return server.url.replace("http:", "https:")

    def collect(self, seen, folder):
        known = {*self.inputs, "ca.pem", "ca.key"}
        for place, _, names in os.walk(folder):
            seen.files += [os.path.relpath(os.path.join(place, name), folder) for name in names]
        seen.files = sorted(set(seen.files) - known)
        bases = [name for name in seen.files if name.endswith(".db")]
        if bases:
            seen.base = sqlite3.connect(f"file:{os.path.join(folder, bases[0])}?mode=ro", uri=True)
            self.addCleanup(seen.base.close)

    def run_row(self, row, words):
        seen = Seen()
        for name, text in self.inputs.items():
            self.write(name, text)
        server = Server(seen, self.certificate() if row.tls else None)
        self.addCleanup(server.close)
        root = self.silent_url() if row.silent else server.root
        words = [word.format(root=root).replace("§", " ") for word in words]
        given = set(words)
        target = [] if row.bare else ["--url", root + "/v1/chat/completions" + row.query]
        model = [] if given & {"--model", "--endpoint"} else ["--model", "m"]
        api = [] if given & {"--api", "--script"} or "--script" in row.base else ["--api", "openai"]
        env = {**row.env, **(self.hub(seen) if row.hub else {})}
        begin = time.monotonic()
        process = self.spawn(*target, *model, *api, *row.base, *words, env=env)
        try:
            result = self.wait(process, HANGS) if row.silent else self.wait(process)
            seen.code, seen.out, seen.err = result.code, result.out, result.err
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            seen.code = "hangs"
        seen.took = time.monotonic() - begin
        server.close()
        self.collect(seen, self.work)
        return seen

    def fresh(self):
        """A new folder for the next run."""
        self.stack.close()
        self.setUp()

    def test_the_table_is_complete(self):
        self.assertEqual(sorted(ROWS), sorted(option_rows()["run"]), "a case for every option, and no other")
        for name, row in ROWS.items():
            self.assertRegex(" ".join(row.words), f"^--{name}($|[ =])")

    def check_row(self, name):
        row = ROWS[name]
        got = {}
        for words in (row.words, []):
            seen = self.run_row(row, words)
            try:
                got[bool(words)] = row.see(seen)
            except (IndexError, AttributeError, TypeError, KeyError) as error:
                if words:
                    raise AssertionError(f"--{name}: {error!r}\n{seen.out}\n{seen.err}") from error
                got[False] = f"nothing: {error!r}"
            self.fresh()
            if words:
                right = row.want(got[True]) if callable(row.want) else got[True] == row.want
                self.assertTrue(right, f"--{name}: {got[True]!r}\n{seen.out}\n{seen.err}")
        self.assertNotEqual(got[True], got[False], f"--{name} makes no difference")


def add_rows(cls):
    for name in ROWS:
        @judged_by_the_clock
        def test(self, name=name):
            self.check_row(name)
        setattr(cls, "test_" + name.replace("-", "_"), test)


add_rows(EveryOption)


# ---- the mock server --------------------------------------------------------------------------------------------------

def ask(root, path="/v1/chat/completions", body=None, headers=None):
    """(status, body, seconds) of one request to a mock."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **(body or {})}
    request = urllib.request.Request(root + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json", **(headers or {})})
    begin = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), time.monotonic() - begin
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), time.monotonic() - begin


def gap_spread(root):
    """Between the longest and the shortest gap of a stream, in ms."""
    _, text, _ = ask(root, body={"stream": True, "max_tokens": 12})
    sent = [int(stamp) for stamp in re.findall(r'"content":"[^"]+"}.*"sent_ns":(\d+)', text)]
    gaps = [(b - a) / 1e6 for a, b in zip(sent, sent[1:])]
    return max(gaps) - min(gaps)


def longest_of_two(root):
    """Seconds until both of two requests that come at once are answered."""
    took = []
    threads = [threading.Thread(target=lambda: took.append(ask(root, body={"max_tokens": 1})[2])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(took)


def qianfan_life(root):
    token = root + "/oauth/2.0/token?grant_type=client_credentials&client_id=a&client_secret=b"
    with urllib.request.urlopen(urllib.request.Request(token, b""), timeout=30) as answer:
        return json.load(answer)["expires_in"]


QUICK = ("--ttft", "0", "--itl", "0")
MOCK_ROWS = {  # words, base, what is seen at its URL, what it must be with the words
    "dialect": ("--dialect zhipu", QUICK, lambda root: ask(root, "/api/paas/v4/chat/completions")[0], 200),
    "host": ("--host 127.0.0.2", QUICK, lambda root: "//127.0.0.2:" in root, True),
    "port": ("--port {port}", QUICK, lambda root: int(root.rpartition(":")[2]), "{port}"),
    "ttft": ("--ttft 500ms", ("--itl", "0"), lambda root: ask(root, body={"stream": True, "max_tokens": 1})[2] > 0.4, True),
    "itl": ("--itl 200ms", ("--ttft", "0"), lambda root: ask(root, body={"stream": True, "max_tokens": 5})[2] > 0.6, True),
    "jitter": ("--jitter 100%", ("--ttft", "0", "--itl", "60ms"), lambda root: gap_spread(root) > 40, True),
    "tokens": ("--tokens 3", QUICK, lambda root: json.loads(ask(root)[1])["usage"]["completion_tokens"], 3),
    "tokenizer-path": (f"--tokenizer-path {TOKENIZER}", QUICK,
                       lambda root: BPE.count(json.loads(ask(root)[1])["choices"][0]["message"]["content"]), 64),
    "usage": ("--usage off", QUICK, lambda root: "usage" in json.loads(ask(root)[1]), False),
    "slots": ("--slots 1", ("--ttft", "400ms", "--jitter", "0", "--itl", "0"), lambda root: longest_of_two(root) > 0.75, True),
    "max-request-bytes": ("--max-request-bytes 10", QUICK, lambda root: ask(root)[0], 413),
    "seed": ("--seed 5", QUICK, lambda root: json.loads(ask(root)[1])["choices"][0]["message"]["content"], lambda v: v),
    "api-key": ("--api-key k", QUICK, lambda root: ask(root)[0], 401),
    "model": ("--model else", QUICK, lambda root: ask(root)[0], 404),
    "fault": ("--fault http-404", QUICK, lambda root: ask(root)[0], 404),
    "scenario": ("--scenario {scenario}", QUICK, lambda root: ask(root)[1], "as the file says"),
    "token-life": ("--token-life 77s", (*QUICK, "--dialect", "qianfan"), qianfan_life, 77),
}


class MockOptions(Case):
    def start(self, words):
        process = subprocess.Popen([LLMBENCH, "mock", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=clean_environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return re.search(r"http://[\d.]+:\d+", process.stdout.readline().decode()).group(0)

    def test_every_option_of_the_mock(self):
        self.assertEqual(sorted(MOCK_ROWS), sorted(option_rows()["mock"]))
        for name in MOCK_ROWS:
            with self.subTest(name):
                self.check_mock_row(name)

    @judged_by_the_clock
    def check_mock_row(self, name):
        with contextlib.closing(ScriptedServer(lambda *_: None)) as free:
            port = free.port
        words, base, see, want = MOCK_ROWS[name]
        scenario = self.write("a.scenario", "line 'HTTP/1.1 200 OK'\nlength 16\nsend 'as the file says'\n")
        words = words.format(port=port, scenario=scenario).split(" ")
        anywhere = [] if name == "port" else ["--port", "0"]
        with_it = see(self.start([*anywhere, *base, *words]))
        without = see(self.start(["--port", "0", *base]))
        want = port if name == "port" else want
        self.assertTrue(want(with_it) if callable(want) else with_it == want, with_it)
        self.assertNotEqual(with_it, without)


class ReportOptions(Case):
    def test_every_option_of_report(self):
        self.assertEqual(sorted(option_rows()["report"]), ["fail-on", "json", "report", "stage"])
        self.run_against(self.mock(*QUICK), "-n", "1", "--stream", "-c", "1", "2", "--sleep-interval", "0s")
        plain_one = self.llmbench("report", "outputs/run.db", expect=0)
        self.assertEqual(plain_one.out.count("Succeed requests"), 2)
        one = self.llmbench("report", "outputs/run.db", "--stage", "1", expect=0)
        self.assertEqual(one.out.count("Succeed requests"), 1)
        other = self.llmbench("report", "outputs/run.db", "--report", "qianfan", expect=0)
        self.assertEqual((other.out.count("Succeed requests"), other.out.count("\nSuccessRate")), (0, 2))
        written = self.llmbench("report", "outputs/run.db", "--json", "-", expect=0)
        self.assertEqual(len(json.loads(written.out)["stages"]), 2)
        self.assertEqual(written.err, plain_one.out)
        self.assertIn("FAIL", self.llmbench("report", "outputs/run.db", "--fail-on", "ok>0", expect=1).out)


class ExportOptions(Case):
    def test_every_option_of_export(self):
        self.assertEqual(sorted(option_rows()["export"]), ["format"])
        self.run_against(self.mock(*QUICK), "-n", "1", "--stream")
        kinds = {}
        for words in (["--format", "evalscope-2024"], ["--format=evalscope-2025"], ["-f", "evalscope-2025"], []):
            new = self.path("new.db")
            code = self.llmbench("export", *words, self.path("outputs/run.db"), new).code
            self.assertEqual(code, 0 if words else 2)
            if words:
                with contextlib.closing(sqlite3.connect(new)) as base:
                    kinds[words[-1]] = base.execute("SELECT success FROM result").fetchone()[0]
                os.remove(new)
        self.assertEqual(kinds, {"evalscope-2024": "True", "--format=evalscope-2025": 1, "evalscope-2025": 1})


# A tokenizer of five letters and two merges, with a token for each text's beginning.
TINY_TOKENIZER = {
    "version": "1.0",
    "added_tokens": [{"id": 7, "content": "<s>", "special": True, "normalized": False, "single_word": False,
                      "lstrip": False, "rstrip": False}],
    "normalizer": None, "pre_tokenizer": None,
    "post_processor": {"type": "TemplateProcessing",
                       "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                       "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [7], "tokens": ["<s>"]}}},
    "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, " ": 4, "ab": 5, "abc": 6},
              "merges": ["a b", "ab c"]},
}


class TokenizeOptions(Case):
    def test_every_option_of_tokenize(self):
        self.write("tokenizer.json", json.dumps(TINY_TOKENIZER))
        rows = {
            (): ('"abc dab"\n{"text":"<s>ab"}', [{"text": "abc dab", "ids": [6, 4, 3, 5]}, {"text": "<s>ab", "ids": [7, 5]}]),
            ("--count",): ('"abc dab"', [{"text": "abc dab", "count": 4}]),
            ("--special",): ('"abc"', [{"text": "abc", "ids": [7, 6]}]),
            ("--decode",): ('[7,6,4,3]\n{"ids":[5]}', [{"ids": [7, 6, 4, 3], "text": "abc d"}, {"ids": [5], "text": "ab"}]),
            ("--decode", "--special"): ("[7,6]", [{"ids": [7, 6], "text": "<s>abc"}]),
        }
        names = {"tokenizer-path", *(word[2:] for words in rows for word in words)}
        self.assertEqual(sorted(option_rows()["tokenize"]), sorted(names))
        for words, (given, want) in rows.items():
            for path in ("tokenizer.json", "."):
                with self.subTest(words=words, path=path):
                    out = self.llmbench("tokenize", "--tokenizer-path", path, *words, given=given, expect=0).out
                    self.assertEqual([json.loads(line) for line in out.split("\n")[:-1]], want)

    def test_what_tokenize_refuses(self):
        self.write("tokenizer.json", json.dumps(TINY_TOKENIZER))
        here = ("--tokenizer-path", "tokenizer.json")
        for words, given, code, sentence in (
                ((), '"a"', 2, "--tokenizer-path is missing"),
                ((*here, "--count", "--decode"), "", 2, "exclude each other"),
                (("--tokenizer-path", "no.json"), "", 3, "no.json cannot be read"),
                (here, '"a"\n{"txt":"a"}', 1, 'item 2 of the input: it must be a string'),
                (here, '{"text":', 1, "item 1 of the input"),
                ((*here, "--decode"), "[8]", 1, "has no token 8"),
                ((*here, "--decode"), "[-1]", 1, "an id must be a whole number")):
            with self.subTest(words=words, given=given):
                result = self.llmbench("tokenize", *words, given=given, expect=code)
                self.assertIn(sentence, result.err)
        result = self.llmbench("tokenize", *here, given='"a"\n1', expect=1)
        self.assertEqual(result.out, '{"text":"a","ids":[0]}\n', "what was done before the mistake is written")


# ---- forms ------------------------------------------------------------------------------------------------------------

# A value for each option that has more than one name.
VALUES = {"script": "own.lua", "header": "X-A: 1", "total-timeout": "5s", "number": "3", "duration": "3s", "parallel": "4",
          "rate": "2.5", "warmup-num": "2", "threads": "1", "quiet": None}


class Forms(Case):
    def setUp(self):
        super().setUp()
        self.write("own.lua", OWN_LUA)

    def dump(self, *words, url="http://h/v1"):
        given = [url] if url else []
        return json.loads(self.llmbench(*given, *words, "--dump-config", expect=0).out)

    def test_every_name_of_an_option_is_the_same(self):
        named = {name: others for name, others in option_rows()["run"].items() if others}
        self.assertEqual(sorted(named), sorted(VALUES), "a value for every option with several names")
        for name, others in named.items():
            value = [] if VALUES[name] is None else [VALUES[name]]
            plain_form = self.dump(f"--{name}", *value)
            self.assertEqual(plain_form["_origin"][name.replace("-", "_")], "command line")
            for other in others:
                with self.subTest(other):
                    dashes = "-" if len(other) == 1 else "--"
                    self.assertEqual(self.dump(dashes + other, *value), plain_form)
                    if len(other) > 1 and value:
                        self.assertEqual(self.dump(f"--{other}={value[0]}"), plain_form)
                    if len(other) == 1 and value:
                        self.assertEqual(self.dump(f"-{other}{value[0]}"), plain_form)

    def test_equal_forms(self):
        for forms in (
                (["--max-tokens", "5"], ["--max-tokens=5"], ["--max_tokens", "5"], ["--max-tokens", "4", "--max-tokens", "5"]),
                (["--parallel", "1", "2", "4"], ["--parallel", "1,2,4"], ["--parallel=1,2,4"], ["-c1,2", "-c", "4"],
                 ["-c", "1", "--users", "2", "4"]),
                (["--seed", "-3"], ["--seed=-3"]),
                (["--temperature", "-.5"], ["--temperature=-0.5"]),
                (["--rate", "-1"], ["--rate=-1"], ["--request-rate", "-1"]),
                (["--stop", "a", "b"], ["--stop", "a", "--stop", "b"], ["--stop=a", "--stop=b"]),
                (["--headers", "A=1", "B=2=3"], ["--headers=A=1", "--headers", "B=2=3"]),
                (["-H", "A: 1", "-H", "B: 2"], ["-HA: 1", "--header=B: 2"]),
                (["--stream"], ["--stream=true"], ["--stream", "--stream"], ["--stream=false", "--stream=yes"]),
                (["-q", "-n", "5"], ["-qn5"], ["-qn", "5"], ["--quiet", "--number=5"]),
                (["--duration", "90"], ["-d", "90s"], ["-d1m30s"], ["--test-duration", "1m 30s"]),
                (["--stop-token-ids", "1", "2"], ["--stop-token-ids", "1,2"]),
                (["--extra-args", '{"a":1}'], ['--extra-args={"a":1}'])):
            dumps = [self.dump(*form) for form in forms]
            for form, dump in zip(forms[1:], dumps[1:]):
                self.assertEqual(dump, dumps[0], form)

    def test_the_url_may_stand_anywhere(self):
        first = self.dump("http://h:1/v1", "-n", "5", url=None)
        for words in (["-n", "5", "http://h:1/v1"], ["--url", "http://h:1/v1", "-n", "5"], ["-n", "5", "--", "http://h:1/v1"],
                      ["run", "http://h:1/v1", "-n", "5"], ["perf", "-n", "5", "http://h:1/v1"]):
            if "--" in words:
                words = ["--dump-config", *words]
                self.assertEqual(json.loads(self.llmbench(*words, expect=0).out), first)
            else:
                self.assertEqual(self.dump(*words, url=None), first, words)

    @judged_by_the_clock
    def test_habits_of_wrk(self):
        seen = Seen()
        server = Server(seen)
        self.addCleanup(server.close)
        self.llmbench("-t2", "-c4", "-d1s", "-s", "own.lua", "-H", "X-Wrk: yes", "--timeout", "2s", "--prompt", "p",
                      server.root + "/v1?delay=0.1", expect=0)
        self.assertEqual({headers.get("x-wrk") for headers in seen.headers}, {"yes"})
        self.assertEqual(seen.most, 4)
        self.assertGreater(len(seen.raw), 8)

    def test_headers_are_split_at_the_first_equals_sign(self):
        seen = Seen()
        server = Server(seen)
        self.addCleanup(server.close)
        self.llmbench("perf", server.root, "--model", "m", "--prompt", "p", "--headers", "Authorization=Bearer a=b",
                      "X-DashScope-SSE=enable=True", "--stream", "-H", "X-Third:  c: d=e", "-H", "X-Empty;", expect=0)
        self.assertEqual([seen.header(name) for name in ("authorization", "x-dashscope-sse", "x-third", "x-empty")],
                         ["Bearer a=b", "enable=True", "c: d=e", ""])

    def test_what_is_refused(self):
        for words, part in (
                (["--paralel", "3"], "unknown option --paralel; did you mean --parallel?"),
                (["--numbr=3"], "did you mean --number?"),
                (["--max-token", "3"], "did you mean --max-tokens?"),
                (["--userz", "3"], "did you mean --parallel?"),
                (["--zzzzzzzzzz"], "unknown option --zzzzzzzzzz"),
                (["-stream"], "write --stream"),
                (["-Z"], "unknown option -Z"),
                (["--number"], "--number needs a value"),
                (["--number", "--stream"], "needs a value"),
                (["--stream=5"], "takes no value"),
                (["word"], '"word" belongs to no option'),
                (["http://g/"], "one URL is enough"),
                (["--model", "a", "--endpoint", "b"], "--model a and --endpoint b both say what is asked"),
                (["--model-type", "chat"], "must be one of: ChatCompletion Completion"),
                (["--stop-token-ids", "1.5"], "--stop-token-ids"),
                (["--stop-token-ids", "-1"], "--stop-token-ids"),
                (["mock"], "the command has to stand first")):
            result = self.llmbench("http://h/v1", *words, expect=2)
            self.assertIn(part, result.err, words)
            self.assertEqual(len(result.err.splitlines()), 1, words)
            self.assertEqual(os.listdir(self.work), ["own.lua"])
        self.assertIn("did you mean perf", self.llmbench("pref", expect=2).err)


class Sources(Case):
    """Config files, environment files and the dump of both, at a server."""

    def setUp(self):
        super().setUp()
        self.seen = Seen()
        self.server = Server(self.seen)
        self.addCleanup(self.server.close)

    def config(self, **values):
        values = {"url": self.server.root, "model": "m", "prompt": "p", **values}
        return self.write("run.json", json.dumps(values))

    def test_a_whole_config(self):
        self.config(headers={"X-A": "b=c"}, parameters={"top_k": 5, "cold": False, "word": "w"}, stream=True, number=2,
                    parallel=[2], query_template={"stop_token_ids": [18446744073709551615]}, extra_args={"deep": {"er": [1]}},
                    hyperparameters={"penalty_score": 1.25}, api_key="a-secret-key", name="named", command="perf")
        result = self.llmbench("--config", "run.json", expect=0)
        self.assertEqual(len(self.seen.raw), 2)
        body = self.seen.raw[0].decode()
        for part in ('"top_k":5', '"cold":false', '"word":"w"', '"stream":true', '"stop_token_ids":[18446744073709551615]',
                     '"deep":{"er":[1]}', '"penalty_score":1.25'):
            self.assertIn(part, body)
        self.assertEqual([self.seen.header(name) for name in ("x-a", "authorization")], ["b=c", "Bearer a-secret-key"])
        for name in ("named.db", "named.log"):
            with open(self.path("outputs/" + name), "rb") as data:
                self.assertNotIn(b"a-secret-key", data.read())
        self.assertNotIn("a-secret-key", result.out + result.err)

    def test_the_example_of_the_docs(self):
        with open(os.path.join(SOURCE, "docs/config.md"), encoding="utf-8") as page:
            example = json.loads(re.search(r"```json\n(.*?)```", page.read(), re.S).group(1))
        self.write("run.json", json.dumps({**example, "url": self.server.root, "offline": True, "sleep_interval": 0}))
        self.llmbench("--config", "run.json", expect=0)
        self.assertEqual(len(self.seen.raw), sum(example["number"]))
        self.assertEqual(self.seen.header("x-tenant"), "bench")
        body = self.seen.body
        del body["messages"], body["stream_options"]
        self.assertEqual(body, {"model": "qwen", "stream": True, "seed": example["seed"], "stop": example["stop"],
                                **example["parameters"], **example["extra_args"]})

    def test_model_types(self):
        for api, path, words, want in (
                ("openai", "", [], "/v1/chat/completions"),
                ("openai", "", ["--model-type", "ChatCompletion"], "/v1/chat/completions"),
                ("openai", "", ["--model-type", "Completion"], "/v1/completions"),
                ("openai", "/a/chat/completions?b=c", ["--model-type", "Completion"], "/a/completions?b=c"),
                ("openai", "/a/completions", ["--model-type", "Completion"], "/a/completions"),
                ("openai", "/a/completions", [], "/a/completions"),
                ("openai", "/chat/completions/x", ["--model-type", "Completion"], "/chat/completions/x"),
                ("qianfan", "/v2/chat/completions", ["--model-type", "Completion"], "/v2/completions"),
                ("qianfan", "", ["--model-type", "Completion"], "/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/m"),
                ("qianfan", "", [], "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/m")):
            key_words = ["--api-key", "k-1234"] if "v2" in path else []
            self.llmbench("--url", self.server.root + path, "--api", api, "--endpoint", "m", "--prompt", "p", *words,
                          *key_words, "--name", f"r{len(self.seen.raw)}")
            self.assertEqual(self.seen.lines[-1].split(" ")[1], want)
            body = self.seen.bodies[-1]
            self.assertEqual(body.get("prompt"), "p" if "completions" in want and "chat" not in want else None, body)
            if api == "openai":
                self.assertEqual(body["model"], "m")
        self.assertEqual(self.seen.headers[-3].get("authorization"), "Bearer k-1234")

    def test_the_command_line_wins(self):
        self.config(max_tokens=5, number=1, api_key="from-config")
        self.llmbench("--config", "run.json", "--max-tokens", 7, env={"LLMBENCH_API_KEY": "from-environment"}, expect=0)
        self.assertEqual(self.seen.body["max_tokens"], 7)
        self.assertEqual(self.seen.header("authorization"), "Bearer from-config")

    def test_a_dump_runs_as_what_was_dumped(self):
        words = ["--url", self.server.root, "--model", "m", "--prompt", "a \"b\"\n你", "--extra-args", '{"x":1.10}', "--seed",
                 "9007199254740993", "--headers", "A=1=2", "-n", "2", "--stop", "\\", "--work-dir", "."]
        dump = self.llmbench(*words, "--dump-config", expect=0)
        self.assertEqual((self.seen.raw, dump.err), ([], ""))
        self.write("dumped.json", dump.out)
        self.llmbench(*words, expect=0)
        self.llmbench("--config", "dumped.json", "--name", "again", expect=0)
        self.assertEqual(len(self.seen.raw), 4)
        self.assertEqual(len(set(self.seen.raw)), 1)
        self.assertEqual({headers["a"] for headers in self.seen.headers}, {"1=2"})
        again = json.loads(self.llmbench("--config", "dumped.json", "--dump-config", expect=0).out)
        first = json.loads(dump.out)
        self.assertEqual(again["_origin"]["seed"], "config")
        self.assertEqual(first["_origin"]["seed"], "command line")
        self.assertEqual(again["_origin"]["grace"], "default")
        self.assertEqual({**again, "_origin": 0}, {**first, "_origin": 0})

    def test_dumped_secrets_are_not_read_again(self):
        dump = self.llmbench("--url", self.server.root, "--api-key", "very-secret", "-H", "Cookie: c-secret", "--dump-config",
                             expect=0)
        self.assertNotIn("secret", dump.out)
        self.write("dumped.json", dump.out)
        result = self.llmbench("--config", "dumped.json", expect=2)
        self.assertIn('dumped.json:3: "api_key" holds "[redacted]"', result.err)

    def test_debug_does_not_show_secrets(self):
        self.write("keys.env", "export OPENAI_API_KEY=\"sk-the-key\"\n")
        words = ["--url", self.server.root, "--model", "m", "--prompt", "x" * 300 + "sk-the-key", "--stream", "--debug", "--name",
                 "run", "--env-file", "keys.env"]
        result = self.llmbench(*words, expect=0)
        self.assertEqual(self.seen.header("authorization"), "Bearer sk-the-key")
        with open(self.path("outputs/run.log"), encoding="utf-8") as text:
            log = text.read()
        for text in (result.err, log):
            self.assertIn("[redacted]", text)
            self.assertNotIn("the-key", text)
            self.assertRegex(text, r"request 0 sent at \d+\.\d{3} ms: POST .*, \d+ bytes: .* characters\) … xxx")
            self.assertRegex(text, r"request 0 \+\d+\.\d{3} ms c: .*Hello")
            self.assertRegex(text, r"request 0 \+\d+\.\d{3} ms ok, HTTP 200, 4 events, .*finished: stop")
        quiet = self.llmbench(*words[:-3], "quiet", *words[-2:], "--quiet", expect=0)
        self.assertEqual(quiet.err, "")
        with open(self.path("outputs/quiet.log"), encoding="utf-8") as text:
            self.assertIn("request 0 sent at", text.read())

    def test_mistakes_name_file_and_line(self):
        self.write("run.json", '{\n  "url": "http://h",\n  "paralel": 3\n}')
        self.assertIn("run.json:3: unknown option 'paralel'; did you mean 'parallel'?",
                      self.llmbench("--config", "run.json", expect=2).err)
        self.write("bad.env", "A=b\nnothing\n")
        self.assertIn("bad.env:2:", self.llmbench("http://h", "--env-file", "bad.env", expect=2).err)


if __name__ == "__main__":
    unittest.main()
