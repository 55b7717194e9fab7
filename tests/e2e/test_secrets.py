"""A server that repeats all it was told, in every spelling: no secret may be in anything that is written."""
import base64
import json
import os
import re
import sqlite3
import unittest
import urllib.parse

from harness import Case, DONE, STREAM_HEAD, ScriptedServer, answer, chunked, event, plain, read_request

# Each secret has a word of its own, which no spelling changes but the \u and the base64 ones.
KEY = 'sk-WORDKEY"q\\t/n+WORDKEY%41'
HEADER = 'nl-WORDHEADER"\\/x'  # begins like what follows a backslash
COOKIE = "WORDCOOKIE-1"
QUERY = 'WORDQUERY/"a b+'
PASSWORD = 'WORDPASS/"@\\'
TOKEN = "WORDTOKEN/1"

ONE_CHAT = {"index": 0, "finish_reason": "stop"}


def quoted(text):
    return json.dumps(text)[1:-1]


def escaped(text):
    return "".join(f"\\u{ord(c):04x}" for c in text)


SPELLINGS = {
    "plain": lambda text: text,
    "JSON": quoted,
    "JSON in JSON": lambda text: quoted(quoted(text)),
    "three fold": lambda text: quoted(quoted(quoted(text))),
    "escaped slashes": lambda text: quoted(text).replace("/", "\\/"),
    "escaped slashes in JSON": lambda text: quoted(quoted(text).replace("/", "\\/")),
    "escaped characters": escaped,
    "escaped characters in JSON": lambda text: quoted(escaped(text)),
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent and plus": urllib.parse.quote_plus,
    "percent of JSON": lambda text: urllib.parse.quote(quoted(text), safe=""),
}


def whole(before, text, after=b""):
    """The bytes as base64, standard and for URLs."""
    data = before + text.encode() + after
    return base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()


def cores(text):
    """What of the base64 of any bytes with the text in them comes of the text alone."""
    for before in range(3):
        for coded in whole(bytes(before), text):
            yield coded[-(-8 * before // 6):8 * (before + len(text.encode())) // 6]


def told(request, secrets):
    """The whole request and each secret in each spelling."""
    line, headers, body = request
    texts = [line, json.dumps(headers), *headers.values(), body.decode()]
    spelled = [SPELLINGS[name](secret) for name in SPELLINGS for secret in secrets]
    spelled += [coded for secret in secrets for before in (b"", b"a", b"ab", b"Bearer ", b'{"key": "') for after in (b"", b"yz")
                for coded in whole(before, secret, after)]
    return "\n".join(texts + spelled + [quoted(text) for text in texts])


def streamed(text, *more):
    return answer(event("Hello "), event(text), *more, event(finish="stop"), DONE)


# What the server makes of the text: (name, bytes of the answer).
ANSWERS = (
    ("streamed content", streamed),
    ("streamed content, escaped slashes", lambda text: streamed("a", event(text).replace(b"/", b"\\/"))),
    ("finish reason", lambda text: answer(event("Hello"), event(finish=text), DONE)),
    ("finish reason, cut", lambda text: answer(event("Hello"), event(finish="x" * 52 + KEY), DONE)),
    ("error event", lambda text: answer(event("Hello"), b"data: %s\n\n" % json.dumps({"error": {"message": text}}).encode())),
    ("comments", lambda text: streamed("a", b": %s\n\n" % text.replace("\n", " ").encode())),
    ("no JSON in an event", lambda text: streamed("a", b"data: %s\n\n" % text.replace("\n", " ").encode())),
    ("unknown fields", lambda text: streamed("a", event("b", echo={text: text}, deeper=json.dumps({"echo": text})))),
    ("plain answer", lambda text: plain({"choices": [{**ONE_CHAT, "message": {"role": "assistant", "content": text}}]})),
    ("no JSON at all", lambda text: plain(text.encode(), content_type="text/plain")),
    ("content type", lambda text: plain(b"{}", content_type=f"text/{text.splitlines()[0]}")),
    ("400 in JSON", lambda text: plain({"error": {"message": text}}, "400 Bad Request")),
    ("401 as text", lambda text: plain(text.encode(), "401 Unauthorized", "text/plain")),
    ("404 with the path", lambda text: plain(("nothing at " + text).encode(), "404 Not Found", "text/html")),
    ("500 in a stream", lambda text: STREAM_HEAD.replace(b"200 OK", b"500 Oh") + b"Transfer-Encoding: chunked\r\n\r\n"
     + chunked(event(text))),
    *((f"429 cut at {500 - at}", lambda text, at=at: plain(("x" * (500 - at) + KEY + " " + QUERY).encode(),
                                                          "429 Too Many", "text/plain")) for at in range(1, len(KEY) + 2)),
    *((f"429 cut in JSON at {500 - at}", lambda text, at=at: plain(
        {"error": {"message": "x" * (500 - at) + quoted(KEY)}}, "429 Too Many")) for at in range(1, len(KEY) + 9)),
)


class Secrets(Case):
    def run_echo(self, login, query, *args, secrets=()):
        """One request for each way to answer; returns the rows. The database stays in WAL mode."""
        lines = self.write("cases.txt", "".join(f"case {i}\n" for i in range(len(ANSWERS))))
        readers, seen = [], []

        def serve(connection, _):
            while request := read_request(connection):
                if not readers:
                    readers.append(sqlite3.connect(self.path("outputs/run.db"), check_same_thread=False))
                    self.addCleanup(readers[0].close)
                    readers[0].execute("BEGIN")
                    readers[0].execute("SELECT count(*) FROM run").fetchall()
                seen.append(request)
                number = int(re.search(rb"case (\d+)", request[2]).group(1))
                connection.sendall(ANSWERS[number][1](told(request, secrets)))
        with ScriptedServer(serve) as scripted:
            url = scripted.url.replace("http://", "http://" + login)
            _, self.result = self.run_against(
                url, "--dataset-path", lines, "--stream", *args, dataset="line_by_line",
                path="/v1/chat/completions" + query)
        self.seen = seen
        os.unlink(lines)
        rows = self.database().execute("SELECT * FROM result ORDER BY arrival").fetchall()
        self.assertEqual(len(rows), len(ANSWERS))
        return rows

    def written(self):
        """Everything that came of the run: name, bytes."""
        yield "stdout", self.result.out.encode()
        yield "stderr", self.result.err.encode()
        for folder, _, names in os.walk(self.work):
            for name in names:
                with open(os.path.join(folder, name), "rb") as data:
                    yield name, data.read()
        base = self.database()
        for (table,) in base.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
            for row in base.execute(f"SELECT * FROM {table}").fetchall():  # long texts lie in pieces in the file
                for column in row.keys():
                    yield f"{table}.{column}", str(row[column]).encode()

    def check(self, rows, *secrets):
        """secrets: (name of it, text, its word); the server must have got each of them."""
        names = [name for name, _ in self.found(secrets)]
        self.assertEqual(names, [])
        written = [name for name, _ in self.written()]
        self.assertIn("run.db-wal", written)
        for word in ("stdout", "stderr", "run.db", "run.log", "report.json", "result.text", "result.error"):
            self.assertIn(word, written)
        self.assertIn("[redacted]", self.result.out)
        for (name, _), row in zip(ANSWERS, rows):
            with self.subTest(name):
                json.loads(row["request"])
                for payload in json.loads(row["response_messages"]):
                    if payload.startswith('{"choices'):
                        json.loads(payload)
                if re.match(r"4|5", name):
                    self.assertRegex(row["error"], rf"^HTTP {name[:3]}")

    def found(self, secrets):
        for where, data in self.written():
            for text, word in secrets:
                for name, spell in SPELLINGS.items():
                    if spell(text).encode() in data:
                        yield f"{where}: {text} ({name})", data
                for core in cores(text):
                    if core.encode() in data:
                        yield f"{where}: {text} (base64, {core})", data
                if word.encode() in data:
                    yield f"{where}: {word} of {text}: " + repr(data[max(0, data.find(word.encode()) - 60):][:140]), data

    def test_key_headers_query(self):
        query = "?api_key=" + urllib.parse.quote(QUERY, safe="") + "&n=1"
        rows = self.run_echo("", query, "--api-key", KEY, "--header", "X-Api-Key: " + HEADER, "--header",
                             "Cookie: theme=darker; session=" + COOKIE, secrets=(KEY, HEADER, COOKIE, QUERY))
        self.assertEqual(self.seen[0][1]["authorization"], "Bearer " + KEY)
        self.assertEqual(self.seen[0][1]["x-api-key"], HEADER)
        self.check(rows, (KEY, "WORDKEY"), (HEADER, "WORDHEADER"), (COOKIE, "WORDCOOKIE"), (QUERY, "WORDQUERY"))
        self.assertRegex(rows[0]["text"], "^Hello POST")
        run = self.database().execute("SELECT url, options FROM run").fetchone()
        self.assertIn("?api_key=[redacted]&n=1", run["url"])
        self.assertIn("?api_key=[redacted]&n=1", json.loads(run["options"])["url"])

    def test_fields_of_the_bodies(self):
        keys = ("WORDEXTRA-1/2", "WORDHYPER-3/4", "WORDPARAM-5/6", "WORDTEMPLATE-7/8")
        rows = self.run_echo("", "", "--extra-args", json.dumps({"eos_token": "</s>", "login": {"api_key": keys[0]}}),
                             "--hyperparameters", json.dumps({"client_secret": keys[1], "prompt_cache_key": "innocent"}),
                             "--parameters", "access_token=" + keys[2], "--query-template",
                             json.dumps({"model": "%m", "stream": True, "messages": "%p", "password": keys[3]}), secrets=keys)
        self.assertEqual([name for name, _ in self.found([(key, key.partition("-")[0]) for key in keys])], [])
        sent = rows[0]["request"]
        self.assertEqual([json.loads(sent).get(name) for name in ("eos_token", "prompt_cache_key")], ["</s>", "innocent"], sent)

    def test_login(self):
        login = "user:" + urllib.parse.quote(PASSWORD, safe="") + "@"
        rows = self.run_echo(login, "", secrets=(PASSWORD,))
        basic = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
        self.assertEqual(self.seen[0][1]["authorization"], "Basic " + basic)
        self.check(rows, (PASSWORD, "WORDPASS"), (f"user:{PASSWORD}", basic[:12]))
        self.assertRegex(self.database().execute("SELECT url FROM run").fetchone()[0],
                         r"^http://user:\[redacted\]@127\.0\.0\.1:\d+/v1/chat/completions$")

    def test_token_for_a_login(self):
        rows = self.run_echo(urllib.parse.quote(TOKEN, safe="") + "@", "", secrets=(TOKEN,))
        basic = base64.b64encode(f"{TOKEN}:".encode()).decode()
        self.assertEqual(self.seen[0][1]["authorization"], "Basic " + basic)
        self.check(rows, (TOKEN, "WORDTOKEN"), (TOKEN + ":", basic[:12]))
        run = self.database().execute("SELECT url, options FROM run").fetchone()
        self.assertRegex(run["url"], r"^http://\[redacted\]@127")
        self.assertRegex(json.loads(run["options"])["url"], r"^http://\[redacted\]@127")

    def test_every_way_in_and_every_way_out(self):
        """Keys from a script, a file of options, the environment and a file of it; reports, exports and the dump."""
        keys = {"script": "sk-WORDSCRIPT/1+2", "config": "sk-WORDCONFIG/3+4", "env": "sk-WORDENV/5+6", "own": "sk-WORDOWN/7+8"}
        self.write("own.lua", """
            local api, secret = require "apis.openai", secret
            api.options = { { name = "tenant-key", secret = true, help = "a key of its own" } }
            local build = api.build_request
            function api.build_request(messages, opts, ctx)
                secret(os.getenv("SCRIPT_KEY"))
                local body = build(messages, opts, ctx)
                return body, { headers = { ["X-Mine"] = os.getenv("SCRIPT_KEY"), ["X-Tenant"] = opts.tenant_key } }
            end
            function api.done(summary) return { "told " .. os.getenv("SCRIPT_KEY") } end
            return api""")
        self.write("keys.env", f"SCRIPT_KEY={keys['script']}\nOPENAI_API_KEY={keys['env']}\n")
        self.write("run.json", json.dumps({"headers": {"X-Api-Key": keys["config"]}, "tenant_key": keys["own"]}))
        seen = []

        def serve(connection, _):
            while request := read_request(connection):
                seen.append(request[1])
                connection.sendall(streamed(told(request, tuple(keys.values()))))
        words = ("--script", "own.lua", "--config", "run.json", "--env-file", "keys.env")
        with ScriptedServer(serve) as scripted:
            job = ("--url", scripted.url, "--model", "m", "--prompt", "x", *words)
            dump = self.llmbench(*job, "--dump-config", expect=0)
            self.result = self.llmbench(*job, "--stream", "-n", 3, "--name", "run", "--json", "report.json", "--debug",
                                        "--report", "table", "qianfan", "zh", expect=0)
        self.assertEqual([seen[0][name] for name in ("x-mine", "authorization", "x-api-key", "x-tenant")],
                         [keys["script"], "Bearer " + keys["env"], keys["config"], keys["own"]])
        for name in ("evalscope-2024", "evalscope-2025"):
            self.llmbench("export", "--format", name, "outputs/run.db", name + ".db", expect=0)
        for name in ("run.json", "keys.env"):
            os.unlink(self.path(name))
        self.assertNotIn("WORD", dump.out + dump.err)
        where = [name for name, _ in self.written()]
        for name in ("evalscope-2024.db", "report.json", "run.log", "run.db", "stage.script"):
            self.assertIn(name, where)
        found = [name for name, _ in self.found([(text, text[3:].partition("/")[0]) for text in keys.values()])]
        self.assertEqual(found, [])
        self.assertIn("told [redacted]", self.result.out)

    def refused(self, *args, code):
        result = self.llmbench("--api", "openai", "--model", "m", "--prompt", "x", "--offline", *args, expect=code)
        self.assertNotIn("WORD", result.out + result.err)
        return result.err

    def test_what_cannot_start(self):
        url = "http://127.0.0.1:9/"
        self.assertIn("--api-key holds a line break; a header value cannot",
                      self.refused("--url", url, "--api-key", "sk-WORD\nmore", code=3))
        self.assertIn("[redacted]", self.refused("--url", url, "--header", "Authorization WORDBAD", code=2))
        self.assertIn("[redacted]@", self.refused("--url", "ftp://WORDFTP@h/", code=2))
        self.assertIn("[redacted]@", self.refused("--url", "WORDBARE@h/", code=2))
        self.refused("--url", url + "?token=WORDURL", code=3)

    def test_a_sentence_that_is_cut(self):
        for length in range(1980, 2048, 3):
            self.refused("--url", "ftp://h/" + "x" * length + "?token=WORDWORDWORDWORDWORD", code=2)

    def test_what_is_too_short_is_said_once(self):
        error = self.refused("--url", "http://127.0.0.1:9/", "--api-key", "abc", code=3)
        self.assertEqual(error.count("too short to be hidden"), 1, error)

    def test_a_number_of_the_options_stays_one(self):
        with ScriptedServer(lambda connection, _: read_request(connection) and connection.sendall(
                answer(event("a"), event(finish="stop"), DONE))) as scripted:
            self.run_against(scripted.url, "--prompt", "x", "--stream", "--api-key", "1024", "--max-tokens", "1024",
                             dataset=None)
        options = json.loads(self.database().execute("SELECT options FROM run").fetchone()[0])
        self.assertEqual((options["max_tokens"], options["api_key"]), (1024, "[redacted]"))


if __name__ == "__main__":
    unittest.main()
