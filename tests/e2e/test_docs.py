"""What README.md and docs/ say, held against the program: names, options, links, queries, scripts and commands."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import unittest

import contract
from harness import GOOD, LLMBENCH, SOURCE, Case, ScriptedServer, clean_environment, plain, read_request, sends, stats

PAGES = ["README.md", *sorted(os.path.relpath(page, SOURCE) for page in glob.glob(os.path.join(SOURCE, "docs/*.md")))]


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as text:
        return text.read()


def blocks(page, language):
    return re.findall(r"^```%s\n(.*?)^```" % language, page, re.S | re.M)


def commands(page):
    """The shell lines of a page, continued lines joined."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines]


class Served:
    """Counts JSON requests and answers each by `respond(body, headers, line)`, bytes."""

    def __init__(self, case, respond):
        self.seen, self.respond = [], respond
        self.server = case.stack.enter_context(ScriptedServer(self._serve))
        self.url = self.server.url

    def _serve(self, connection, _):
        while request := read_request(connection):
            line, headers, body = request
            said = json.loads(body)
            self.seen.append((line, headers, said))
            connection.sendall(self.respond(said, headers))


class Contract(unittest.TestCase):
    def setUp(self):
        self.tables, self.page = contract.tables(LLMBENCH), read("docs/scripting.md")

    def test_tables_are_those_of_the_program(self):
        self.maxDiff = None
        self.assertEqual(self.page, contract.fill(self.page, self.tables),
                         "docs/scripting.md is old; python3 tests/e2e/contract.py writes its tables anew")

    def test_version(self):
        printed = subprocess.run([LLMBENCH, "--help=lua"], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"that of {printed.partition(':')[0]}.", self.page)

    def test_every_table_stands_there_once(self):
        found = [name for name, _ in contract.BLOCK.findall(self.page)]
        self.assertEqual(sorted(found), sorted(self.tables))
        for name, table in self.tables.items():
            self.assertGreater(len(table.splitlines()), 2, name)

    def test_limit_of_script_errors(self):
        limit = re.search(r"SCRIPT_ERROR_LIMIT = (\d+)", read("src/run/scorer.h")).group(1)
        self.assertIn(f"`script_error` in {limit} requests", self.page)


class Pages(Case):
    def test_links_lead_somewhere(self):
        seen = 0
        for page in PAGES:
            for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
                if re.match(r"\w+:|#", target):
                    continue
                seen += 1
                path = os.path.join(SOURCE, os.path.dirname(page), target.partition("#")[0])
                self.assertTrue(os.path.exists(path), f"{page}: {target}")
        self.assertGreater(seen, 8)

    def test_options_exist(self):
        top = self.llmbench("--help", expect=0).out
        for name in os.listdir(os.path.join(SOURCE, "lua/experiments")):
            top += self.llmbench("experiment", name[:-len(".lua")], "--help", expect=0).out
        known = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", top + self.llmbench("--help=options-md", expect=0).out))
        known |= {"--" + name for name in re.findall(r'\{ name = "([a-z-]+)"', read("docs/scripting.md"))}
        for page in PAGES:
            text = re.sub(r"\b(cmake|ctest|apt-get|git|python3|scripts/test\.sh) [^`\n&]*", "", read(page))
            for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text):
                self.assertIn(option, known, page)

    def test_exit_codes_of_the_readme(self):
        codes = re.search(r"Exit codes: (.*?)\.\n", read("README.md"), re.S).group(1)
        table = self.llmbench("--help=options-md", expect=0).out.partition("## Exit status")[2].partition("\n## ")[0]
        self.assertEqual(re.findall(r"(?:^|[ ,])(\d+) ", codes), re.findall(r"^\| `(\d+)`", table, re.M))

    def test_queries(self):
        """Every SQL line of README and database.md, and what it is said to give."""
        failure = plain({"error": {"message": "no"}}, status="500 Oh")
        self.run_cases([sends(GOOD), sends(failure), sends(GOOD)])
        base = self.database()
        lines = re.findall(r'^sqlite3 outputs/NAME\.db "(.*)"$', read("README.md"), re.M)
        self.assertEqual(len(lines), 3)
        first, slow, failed = (base.execute(line).fetchall() for line in lines)
        self.assertEqual(len(first), 2)
        self.assertEqual([json.loads(row[0])["messages"][0]["content"] for row in first], ["case 0", "case 2"])
        self.assertEqual(slow, [])
        self.assertEqual([tuple(row)[:2] for row in failed], [("http_5xx", 1)])
        queries = [query for block in blocks(read("docs/database.md"), "sql") for query in block.split(";") if query.strip()]
        self.assertGreater(len(queries), 3)
        for query in queries:
            base.execute(query).fetchall()


class Readme(Case):
    def setUp(self):
        super().setUp()
        self.page = read("README.md")
        self.root = self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", 4)
        os.symlink(os.path.join(SOURCE, "lua"), self.path("lua"))
        os.symlink(os.path.join(SOURCE, "examples"), self.path("examples"))

    def command(self, start):
        found = [words for words in commands(self.page) if words[:len(start)] == start]
        self.assertEqual(len(found), 1, start)
        return found[0][1:]

    def at(self, words, url):
        """The words with the server's place in the URL changed."""
        return [re.sub(r"^http://127\.0\.0\.1:\d+", url, word) for word in words]

    def test_the_main_command(self):
        words = self.command(["build/llmbench", "-s"])
        result = self.llmbench(*self.at(words, self.root), "--offline", "--json", "r.json", expect=0)
        with open(self.path("r.json"), encoding="utf-8") as report:
            self.assertEqual(json.load(report)["counts"]["ok"], 500)
        self.assertEqual(stats(self.root)["requests"]["total"], 500)
        self.assertEqual(len(glob.glob(self.path("outputs/*.db"))), 1)
        for said in ("TTFT", "TTFC", "Loop lag", "Schedule lag", "CPU, of one core", "Concurrency", "Tokens counted from",
                     "Data  ", "Verdict: "):
            self.assertIn(said, result.out)

    def test_the_built_in_api_is_the_file_and_the_default(self):
        bodies = set()
        for number, words in enumerate((["--api", "openai"], ["-s", "lua/apis/openai.lua"], [])):
            self.llmbench(*words, "--prompt", "x", "--model", "m", "--stream", "--name", f"n{number}", "--temperature", "0.5",
                          "--url", self.root, expect=0)
            bodies.add(self.database(f"n{number}").execute("SELECT request FROM result").fetchone()[0])
        self.assertEqual(len(bodies), 1, bodies)

    def test_both_endpoints(self):
        for path, field in (("/v1/chat/completions", "messages"), ("/v1/completions", "prompt")):
            _, _ = self.run_against(self.root, "-n", 2, "--stream", "--name", field, path=path)
            request = self.database(field).execute("SELECT request FROM result").fetchone()[0]
            self.assertIn(field, json.loads(request))

    def test_every_row_of_the_table_can_be_said(self):
        table = self.page.partition("| to | say |")[2].partition("\n\n")[0]
        said = re.findall(r"`(--[^`]*)`", table)
        self.assertGreaterEqual(len(said), 10)
        self.write("prompts.txt", "one\ntwo\n")
        self.write("file", "three\n")
        self.write("trace.jsonl", '{"prompt": "one", "at": 0}\n{"prompt": "two", "at": 0.5}\n')
        changes = {"…": "sk-longenough", "FILE": "prompts.txt", "5m": "500ms", "30s": "1s", "@file": "@file",
                   "DIR": os.path.join(SOURCE, "tests/data/tokenizer")}
        for number, span in enumerate(said):
            words = [changes.get(word, word) for word in shlex.split(span)]
            if "--dataset" not in words and "--prompt" not in words:
                words += ["--prompt", "x"]
            if "--parallel" not in words:
                words += ["--parallel", 4]
            self.llmbench(*words, "--sleep-interval", "0s", "--model", "m", "--name", f"row{number}", "--url", self.root, expect=0)
            rows = self.database(f"row{number}").execute("SELECT request FROM result ORDER BY arrival").fetchall()
            sent = [json.loads(row[0])["messages"][0]["content"] for row in rows]
            if "random" in words:
                self.assertEqual(len(set(sent)), 10)
            elif "--dataset" in words:
                self.assertEqual(sorted(sent), ["one", "two"], span)
            if "@file" in words:
                self.assertEqual(sent, ["three\n"], span)
            if "--max-tokens" in words:
                self.assertEqual(json.loads(rows[0][0])["max_tokens"], 256)

    def test_keys_from_the_environment(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2, "--api-key", "sk-first-12345")
        self.run_against(root, "-n", 1, env={"LLMBENCH_API_KEY": "sk-first-12345", "OPENAI_API_KEY": "sk-second-12345"})

    def test_bundled_data(self):
        for name in ("openqa", "longalpaca"):
            report, result = self.run_against(self.root, "-n", 3, "--name", name, dataset=name)
            self.assertEqual(report["counts"]["ok"], 3)
            self.assertIn("bundled sample", result.out)
            self.assertIn(f"`{name}`", self.page)

    def test_cache_comes_first(self):
        cache = self.path("cache")
        os.makedirs(os.path.join(cache, "llmbench/datasets"))
        self.write("cache/llmbench/datasets/open_qa.jsonl", '{"question": "from the cache"}\n')
        self.run_against(self.root, "-n", 1, env={"XDG_CACHE_HOME": cache})
        request = self.database().execute("SELECT request FROM result").fetchone()[0]
        self.assertIn("from the cache", request)
        self.assertIn("`$XDG_CACHE_HOME/llmbench/datasets`", self.page)

    def test_the_mock_command(self):
        words = self.command(["llmbench", "mock"])
        self.assertEqual(words.pop(words.index("--port") + 1), "8000")
        words.remove("--port")
        root = self.mock(*words[1:])
        self.run_against(root, "-n", 1, "--stream")
        row = self.database().execute("SELECT completion_tokens, response_messages FROM result").fetchone()
        self.assertEqual(row[0], 64)
        for payload in json.loads(row[1])[:-1]:
            self.assertIn("sent_ns", json.loads(payload))
        for name in ("requests", "bodies", "in_flight", "lateness_us"):
            self.assertIn(name, stats(root))

    def test_the_custom_script(self):
        example = read("examples/01-custom-protocol.lua")
        self.assertEqual(blocks(self.page, "lua"), [re.sub(r"\A(--.*\n)+", "", example)])
        server = Served(self, lambda said, _: plain({"error": "too long"} if len(said["q"]) > 9 else {"a": "you said " + said["q"]}))
        words = self.at(self.command(["llmbench", "-s"]), server.url)
        self.llmbench(*words, "--name", "run", expect=0)
        self.assertEqual({(line, json.dumps(said)) for line, _, said in server.seen}, {("POST /ask HTTP/1.1", '{"q": "hello"}')})
        self.assertEqual(len(server.seen), 100)
        rows = self.database().execute("SELECT text, completion_tokens, success FROM result").fetchall()
        self.assertEqual({tuple(row) for row in rows}, {("you said hello", None, 1)})
        self.llmbench(*[word.replace("hello", "hello, hello") for word in words], "--name", "long", expect=1)
        errors = self.database("long").execute("SELECT DISTINCT outcome, error FROM result").fetchall()
        self.assertEqual([tuple(row) for row in errors], [("stream_error", "too long")])


class ScriptsOfThePage(Case):
    """Each Lua block of docs/scripting.md does what the text around it says."""

    def setUp(self):
        super().setUp()
        self.blocks = blocks(read("docs/scripting.md"), "lua")

    def script(self, sign):
        found = [block for block in self.blocks if sign in block]
        self.assertEqual(len(found), 1, sign)
        return self.write("script.lua", found[0])

    def test_there_is_a_test_for_each(self):
        signs = {word for method in dir(self) if method.startswith("test_")
                 for word in re.findall(r"self\.script\('(.*?)'\)", SELF)}
        self.assertEqual(len(signs), len(self.blocks))

    def test_the_complete_one(self):
        def respond(said, headers):
            count = int(re.search(r"\d+", said["text"]).group(0))
            lines = [{"piece": f"{i} "} for i in range(1, count + 1)] + [{"done": True, "read": 4, "made": count}]
            if headers.get("x-api-key") != "sk-longenough":
                lines = [{"error": "who are you?"}]
            body = "".join(json.dumps(line) + "\n" for line in lines).encode()
            return plain(body, content_type="application/octet-stream")
        server = Served(self, respond)
        self.script('"/generate"')
        run = ["-s", "script.lua", "--url", server.url]
        result = self.llmbench(*run, "--api-key", "sk-longenough", "--name", "run", expect=0)
        rows = self.database().execute("SELECT * FROM result ORDER BY arrival").fetchall()
        self.assertEqual([row["completion_tokens"] for row in rows], list(range(1, 21)))
        self.assertEqual({(row["outcome"], row["completion_source"], row["prompt_tokens"]) for row in rows}, {("ok", "usage", 4)})
        self.assertEqual(rows[2]["text"], "1 2 3 ")
        self.assertEqual({line for line, _, _ in server.seen}, {"POST /generate HTTP/1.1"})
        self.assertEqual({headers["x-request-id"] for _, headers, _ in server.seen}, {f"r{i}" for i in range(20)})
        self.assertEqual({said["max_tokens"] for _, _, said in server.seen}, set(range(11, 31)))
        self.assertNotIn("pieces, not", result.err)
        self.llmbench(*run, "--name", "nobody", expect=1)
        errors = self.database("nobody").execute("SELECT DISTINCT outcome, error FROM result").fetchall()
        self.assertEqual([tuple(row) for row in errors], [("stream_error", "who are you?")])

    def test_the_data_set(self):
        self.script('Be brief.')
        self.write("questions.jsonl", "\n".join(json.dumps({"question": q}) for q in ("one?", "x" * 300, "two?")))
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "--dataset", "./script.lua", "--dataset-path", "questions.jsonl", dataset=None)
        rows = self.database().execute("SELECT request FROM result ORDER BY arrival").fetchall()
        messages = [json.loads(row[0])["messages"] for row in rows]
        self.assertEqual([[m["content"] for m in said] for said in messages], [["Be brief.", "one?"], ["Be brief.", "two?"]])

    def test_the_trace(self):
        self.script('row.timestamp - first')
        rows = ({"timestamp": 1731000000 + i, "text": f"p{i}", "output_length": 5, "user": f"u{i}"} for i in (0, 0.25, 0.5))
        self.write("recorded.jsonl", "\n".join(map(json.dumps, rows)))
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "--dataset", "./script.lua", "--dataset-path", "recorded.jsonl", "--arrival", "trace",
                         dataset=None)
        rows = self.database().execute("SELECT request, due_ns FROM result ORDER BY arrival").fetchall()
        self.assertEqual([row["due_ns"] - rows[0]["due_ns"] for row in rows], [0, 250_000_000, 500_000_000])
        self.assertEqual([json.loads(row["request"])["max_tokens"] for row in rows], [5, 5, 5])

    def test_the_changed_protocol(self):
        self.script('api.setup(opts)')
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "-n", 3, "--stream", api="./script.lua")
        rows = self.database().execute("SELECT request FROM result ORDER BY arrival").fetchall()
        users = [json.loads(row[0])["user"] for row in rows]
        self.assertRegex(users[0], r"^load-\d+-0$")
        self.assertEqual([user.rpartition("-")[2] for user in users], ["0", "1", "2"])

    def test_the_own_options(self):
        server = Served(self, lambda said, headers: plain({"choices": [{"message": {"content": "x"}}]}))
        script = self.script('api.options = {')
        run = ["-s", script, "--prompt", "x", "--model", "m", "--url", server.url]
        self.llmbench(*run, "--tenant", "globex", "--patience=2m", "--name", "a", env={"TENANT_KEY": "sk-tenant-key"}, expect=0)
        self.llmbench(*run, "--name", "b", expect=0)
        seen = [(headers.get("x-tenant"), headers.get("x-tenant-key"), said["patience_ms"]) for _, headers, said in server.seen]
        self.assertEqual(seen, [("globex", "sk-tenant-key", 120000), ("acme", None, 30000)])
        self.assertIn("must be one of: acme globex", self.llmbench(*run, "--tenant", "x", expect=2).err)
        self.assertIn("Options of script.lua", self.llmbench("--help", "-s", script, expect=0).out)

    def test_the_own_metrics(self):
        def respond(said, headers):
            took = "X-Took-Ms: 125\r\n" if said["messages"][-1]["content"] != "b" else ""
            return plain({"choices": [{"message": {"content": "one two  three"}, "finish_reason": "stop"}]}, extra=took)
        server = Served(self, respond)
        script = self.script('api.metrics = {')
        lines = self.write("lines.txt", "a\nb\nc\n")
        report, result = self.run_against(server.url, "--dataset-path", lines, api=script, dataset="line_by_line", path="")
        self.assertEqual((report["metrics"]["words"]["mean"], report["metrics"]["words"]["n"]), (3, 3))
        self.assertEqual((report["metrics"]["server_time"]["max"], report["metrics"]["server_time"]["n"]), (0.125, 2))
        self.assertIn("Server time", result.out)
        rows = self.database().execute("SELECT metrics FROM result ORDER BY arrival").fetchall()
        self.assertEqual(json.loads(rows[1]["metrics"]), {"words": 3})

    def test_the_hooks_of_main(self):
        script = self.script('summary.verdict.sound')
        root = self.mock("--ttft", "300ms", "--itl", "1ms", "--tokens", 5)
        report, result = self.run_against(root, "-n", 4, "--script", script)
        self.assertRegex(result.err, r"llmbench: \d+ answers, [\d.]+ a second\n")
        self.assertEqual(report["script"]["lines"][0],
                         f"p99 latency is {report['metrics']['latency']['p99'] * 1000:.14g} ms")
        self.assertAlmostEqual(report["metrics"]["cost"]["value"], 20 * 2e-6)
        self.assertIn("Cost", result.out)
        self.assertIn(report["script"]["lines"][0], result.out)

    def test_the_shared_counter(self):
        def respond(said, headers):
            hit = "X-Cache: hit\r\n" if said["messages"][-1]["content"] != "b" else ""
            return plain({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}, extra=hit)
        server = Served(self, respond)
        script = self.script('"cache hits"')
        lines = self.write("lines.txt", "a\nb\nc\n")
        report, _ = self.run_against(server.url, "--dataset-path", lines, api=script, dataset="line_by_line", path="")
        self.assertEqual(report["script"]["shared"], {"cache hits": 2})

    def test_the_token(self):
        def respond(said, headers):
            if "key" in said:
                good = said["key"] == "sk-for-tokens"
                return plain({"token": f"tok-{len(server.seen)}-secret"} if good else {"why": "unknown key"}, status="200 OK" if good else "403 No")
            tokens.add(headers.get("authorization"))
            return plain({"choices": [{"message": {"content": "x"}}]})
        server, tokens = Served(self, respond), set()
        script = self.script('api.refresh(ctx, opts)')
        run = ["-s", script, "--prompt", "x", "--model", "m", "--url", server.url]
        self.llmbench(*run, "-n", 5, "--api-key", "sk-for-tokens", "--name", "run", expect=0)
        self.assertEqual(tokens, {"Bearer tok-1-secret"})
        with open(script, encoding="utf-8") as text:
            often = text.read().replace("refresh_every = 240", "refresh_every = 0.01")
        self.write("script.lua", often)
        self.llmbench(*run, "--duration", "2s", "--api-key", "sk-for-tokens", "--name", "often", expect=0)
        self.assertGreater(len(tokens), 3)
        result = self.llmbench(*run, "--api-key", "sk-nobody", "--name", "nobody", expect=3)
        self.assertIn("unknown key", result.err)


class Sentences(Case):
    """Sentences of docs/scripting.md that a reader would rely on."""

    def setUp(self):
        super().setUp()
        self.root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)

    def changed(self, text):
        self.write("s.lua", f'local api = require "apis.openai"\nlocal build = api.build_request\n{text}\nreturn api')
        return ["-s", "s.lua", "--model", "m", "--name", "run", "--url", self.root]

    def test_errors_before_the_run(self):
        for text in ("error('here')", "api.setup = function() error('here') end",
                     "api.build_messages = function() error('here') end",
                     "api.build_messages = function() return function() error('here') end end",
                     "api.build_messages = function() return function() return { prompt = 'x', at = '1' } end end"):
            result = self.llmbench(*self.changed(text), expect=3)
            self.assertIn("s.lua:3" if "here" in text else "'at'", result.err)
        self.assertEqual(stats(self.root)["requests"]["total"], 0)

    def test_a_string_takes_no_options(self):
        words = self.changed("api.build_request = function() return '{}' end")
        result = self.llmbench(*words, "--prompt", "x", "--temperature", "1", expect=3)
        self.assertIn("--temperature", result.err)

    def test_order_of_headers_and_options(self):
        server = Served(self, lambda said, _: plain({"choices": [{"message": {"content": "x"}}]}))
        words = self.changed("""
            api.build_messages = function() local items = { { prompt = "p", max_tokens = 7, model = "own",
                headers = { "X-A: item", "X-B: item", "X-C: item" } } }
                return function() return table.remove(items) end end
            api.build_request = function(m, opts, ctx) return build(m, opts, ctx), { headers = { ["x-b"] = "hook", ["x-c"] = "hook" } } end""")
        self.llmbench(*words[:-1], server.url, "-H", "X-C: line", expect=0)
        _, headers, said = server.seen[0]
        self.assertEqual([headers["x-" + c] for c in "abc"], ["item", "hook", "line"])
        self.assertEqual((said["model"], said["max_tokens"]), ("own", 7))
        self.llmbench(*words[:-1], server.url, "--name", "again", "--max-tokens", "9", expect=0)
        self.assertEqual(server.seen[1][2]["max_tokens"], 9)

    def test_token_hook_never_changes_the_outcome(self):
        self.llmbench(*self.changed("api.parse_responses = function() error('lost count') end"), "--prompt", "x", "--stream", expect=0)
        row = self.database().execute("SELECT outcome, token_error, completion_source FROM result").fetchone()
        self.assertEqual((row[0], row[2]), ("ok", "none"))
        self.assertIn("lost count", row[1])

    def test_data_that_fails_later_ends_the_run(self):
        words = self.changed("""api.build_messages = function() local i = 0
            return function() i = i + 1; if i == 3 then error("worn out") end return "p" .. i end end""")
        result = self.llmbench(*words, "-n", "50", expect=1)
        self.assertIn("worn out", result.out)

    def test_options_in_lua(self):
        words = self.changed("""api.setup = function(opts)
            assert(opts.temperature == nil and opts.stream == nil and opts.read_timeout == 2.5 and opts.stop[2] == "b")
            assert(opts.url:find("/v1/chat/completions$") and not pcall(function() return opts.paralel end))
            assert(not pcall(function() opts.model = "x" end)) end""")
        self.llmbench(*words, "--prompt", "x", "--read-timeout", "2500ms", "--stop", "a", "b", expect=0)


class Installed(Case):
    """cmake --install of the build under test."""

    def setUp(self):
        super().setUp()
        cmake, self.prefix = shutil.which("cmake"), self.path("prefix")
        self.assertTrue(cmake, "cmake is not to be found")
        done = subprocess.run([cmake, "--install", os.path.dirname(LLMBENCH), "--prefix", self.prefix], capture_output=True,
                              check=False, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)

    def use(self, program, name, **env):
        words = [program, "--prompt", "x", "--model", "m", "--stream", "--name", name, "--url", self.root]
        done = subprocess.run(words, cwd=self.work, env=clean_environment(**env), capture_output=True, check=False, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(self.database(name).execute("SELECT request FROM result").fetchone()[0]), done.stdout

    def test_everything_is_in_place(self):
        for name in ("bin/llmbench", "share/man/man1/llmbench.1", "share/llmbench/llmbench.lua"):
            self.assertTrue(os.path.isfile(os.path.join(self.prefix, name)), name)
        for folder, _, files in os.walk(os.path.join(SOURCE, "lua")):
            for name in files:
                path = os.path.join(self.prefix, "share/llmbench", os.path.relpath(folder, os.path.join(SOURCE, "lua")), name)
                self.assertTrue(os.path.isfile(path), path)
        with open(os.path.join(self.prefix, "share/man/man1/llmbench.1"), encoding="utf-8") as page:
            self.assertIn(".SH \"EXIT STATUS\"", page.read())

    def test_it_works_elsewhere_and_alone(self):
        program = os.path.join(self.prefix, "bin/llmbench")
        self.use(program, "installed")
        shutil.copy(program, self.path("alone"))
        shutil.rmtree(self.prefix)
        _, out = self.use(self.path("alone"), "alone")
        self.assertIn("openai (built in)", out)

    def test_its_own_share_folder_is_looked_into(self):
        """Wherever --prefix put it, and wherever it is moved or linked to; a program outside a bin folder has none."""
        def edit(prefix, user):
            with open(os.path.join(prefix, "share/llmbench/apis/openai.lua"), "w", encoding="utf-8") as text:
                text.write(f"""
                    local api = require "apis.openai"
                    local build = api.build_request
                    function api.build_request(...) local body = build(...) body.user = "{user}" return body end
                    return api""")
        edit(self.prefix, "edited")
        said, out = self.use(os.path.join(self.prefix, "bin/llmbench"), "edited")
        self.assertEqual(said["user"], "edited")
        self.assertIn("prefix/share/llmbench/apis/openai.lua", out)
        os.symlink(os.path.join(self.prefix, "bin/llmbench"), self.path("link"))
        self.assertEqual(self.use(self.path("link"), "linked")[0]["user"], "edited")
        moved = shutil.move(self.prefix, self.path("moved"))
        edit(moved, "moved")
        self.assertEqual(self.use(os.path.join(moved, "bin/llmbench"), "moved")[0]["user"], "moved")
        os.rename(os.path.join(moved, "bin"), os.path.join(moved, "build"))
        self.assertNotIn("user", self.use(os.path.join(moved, "build/llmbench"), "built")[0])

    def test_a_folder_of_ones_own_goes_first(self):
        os.makedirs(self.path("own/apis"))
        self.write("own/apis/openai.lua", """
            local api = require "apis.openai"
            local build = api.build_request
            function api.build_request(...) local body = build(...) body.user = "mine" return body end
            return api""")
        program, own = os.path.join(self.prefix, "bin/llmbench"), self.path("own")
        self.assertNotIn("user", self.use(program, "without")[0])
        said, out = self.use(program, "with", LLMBENCH_PATH=f"/nowhere:{own}")
        self.assertEqual(said["user"], "mine")
        self.assertIn("own/apis/openai.lua", out)


with open(__file__, encoding="utf-8") as own_text:
    SELF = own_text.read()

if __name__ == "__main__":
    unittest.main()
