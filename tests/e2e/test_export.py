"""llmbench export: the scripts of the documents, and Python's pickle, read what it writes."""
import base64
import json
import os
import pickle
import pickletools
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

from harness import (Case, DONE, GOOD, LLMBENCH, PATIENCE, SANITIZED, SOURCE, STREAM_HEAD, answer, clean_environment, event,
                     judged_by_the_clock, plain, sends, wait_for)

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
EXAMPLES = os.path.join(SOURCE, "examples")
COLUMNS = {
    "request": "TEXT", "start_time": "REAL", "chunk_times": "TEXT", "success": "INTEGER", "response_messages": "TEXT",
    "completed_time": "REAL", "latency": "REAL", "first_chunk_latency": "REAL", "n_chunks": "INTEGER", "chunk_time": "REAL",
    "prompt_tokens": "INTEGER", "completion_tokens": "INTEGER", "max_gpu_memory_cost": "REAL"}
OF_FAILURES = list(COLUMNS)[:6]
YEARS = ("2024", "2025")
BIG = 9223372036854775807


def unpickled(text):
    """Also: protocol 2 at most, nothing imported, nothing called."""
    data = base64.b64decode(text, validate=True)
    for opcode, _, _ in pickletools.genops(data):
        assert opcode.proto <= 2 and opcode.name not in ("GLOBAL", "REDUCE", "BUILD", "INST", "OBJ"), opcode.name
    return pickle.loads(data)


def has_content(message):
    try:
        return isinstance(json.loads(message)["choices"][0]["delta"]["content"], str)
    except (ValueError, LookupError, TypeError):
        return False


class ExportCase(Case):
    def export(self, year, source="outputs/run.db", target=None, expect=0):
        target = target or f"out{year}.db"
        result = self.llmbench("export", "--format", f"evalscope-{year}", source, target, expect=expect)
        if expect == 0:
            self.assertEqual(sorted(name for name in os.listdir(self.work) if name.startswith(target)), [target])
        return result

    def exported(self, year, **more):
        """Rows with their pickles read, in the order of the run."""
        self.export(year, **more)
        base = sqlite3.connect(self.path(more.get("target") or f"out{year}.db"))
        base.row_factory = sqlite3.Row
        self.addCleanup(base.close)
        rows = [dict(row) for row in base.execute("SELECT *, typeof(success) AS kind FROM result ORDER BY rowid")]
        for row in rows:
            for column in ("request", "response_messages"):
                row[column] = row[column] and unpickled(row[column])
        return rows

    def script(self, path, *words, expect=0, **env):
        done = subprocess.run([sys.executable, "-B", path, *words], cwd=self.work, capture_output=True, timeout=PATIENCE,
                              env=clean_environment(PYTHONIOENCODING="utf-8", **env), check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, expect, f"{path} {words}\n{out}\n{err}")
        return out

    def assert_row(self, year, row, ours):
        """A row of the export against the row of the run it was made from."""
        success = bool(ours["success"])
        self.assertEqual((row["success"], row["kind"]), (str(success), "text") if year == "2024" else (success, "integer"))
        if not ours["request"]:  # there was none
            self.assertEqual(row["request"], ours["request"])
        else:
            self.assertEqual(repr(row["request"]), repr(json.loads(ours["request"])))
        said = [message for message in json.loads(ours["response_messages"] or "[]") if message != "[DONE]"]
        self.assertEqual(row["response_messages"], [m for m in said if year == "2025" or has_content(m)])
        for column in ("start_time", "completed_time", "chunk_times"):
            self.assertEqual(row[column], ours[column], column)
        self.assertIsNone(row["max_gpu_memory_cost"])
        for column in COLUMNS:
            if not success and column not in OF_FAILURES:
                self.assertIsNone(row[column], column)
        if success:
            self.assert_numbers(row, ours)

    def assert_numbers(self, row, ours):
        for column in ("latency", "prompt_tokens", "completion_tokens"):
            self.assertEqual(row[column], ours[column], column)
        times = json.loads(ours["chunk_times"])
        if ours["streamed"]:
            self.assertEqual(row["first_chunk_latency"], ours["first_chunk_latency"])
        else:
            self.assertEqual(row["first_chunk_latency"], ours["latency"])
        if len(times) > 1:
            self.assertEqual(row["n_chunks"], len(times) - 2)
            self.assertAlmostEqual(row["chunk_time"], times[-2] - times[0], places=6)
        else:
            self.assertEqual((row["n_chunks"], row["chunk_time"]), (1, row["first_chunk_latency"]))

    def assert_same(self):
        """Both exports of outputs/run.db hold what it holds."""
        ours = self.database().execute("SELECT * FROM result ORDER BY id").fetchall()
        for year in YEARS:
            rows = self.exported(year)
            self.assertEqual(len(rows), len(ours))
            for row, mine in zip(rows, ours):
                self.assert_row(year, row, mine)
        return ours


class Scripts(ExportCase):
    def test_columns(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "-n", 1)
        for year in YEARS:
            self.export(year)
            base = sqlite3.connect(self.path(f"out{year}.db"))
            columns = {row[1]: row[2] for row in base.execute("PRAGMA table_info(result)")}
            base.close()
            self.assertEqual(list(columns), list(COLUMNS))
            self.assertEqual(columns, COLUMNS if year == "2025" else dict.fromkeys(COLUMNS, ""))

    def test_answers_of_2024(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 12)
        self.run_against(root, "-n", 30, "-c", 4, "--stream")
        self.assertIn("30 results", self.export("2024").out)
        ours = self.database().execute("SELECT * FROM result ORDER BY id").fetchall()
        want = "".join("prompt: %s, tokens: %s, completion: %s, tokens: %s\n" % (
            json.loads(row["request"])["messages"][0]["content"], row["prompt_tokens"], row["text"], row["completion_tokens"])
            for row in ours)
        self.assertEqual(self.script(os.path.join(DATA, "answers_2024.py"), "out2024.db"), want)
        self.assert_numbers_of(ours)

    def assert_numbers_of(self, ours):
        """Tokens and texts are those of the mock: 12 tokens each, and something said."""
        self.assertEqual(len(ours), 30)
        self.assertEqual({row["completion_tokens"] for row in ours}, {12})
        self.assertTrue(all(row["text"] for row in ours))

    @judged_by_the_clock
    def test_slow_ones_of_2025(self):
        def slow(connection, _):
            time.sleep(1.2)
            connection.sendall(answer(event("", id="chat-slow"), event("late", "stop", id="chat-slow"), DONE))
        quick = sends(answer(event("quick", "stop", id="chat-quick"), DONE))
        failed = sends(plain(b"no such luck", status="500 Oh"))
        self.run_cases([quick, slow, failed, slow], "-c", 4)
        self.export("2025")
        out = self.script(os.path.join(DATA, "slow_2025.py"), "out2025.db")
        self.assertEqual(out.splitlines()[0], "columns: " + ", ".join(COLUMNS))
        self.assertEqual(re.findall(r"request_id: (\S+),", out), ["chat-slow", "chat-slow"])
        for latency in re.findall(r"first_chunk_latency: ([\d.]+)", out):
            self.assertGreater(float(latency), 1.19)


class Rows(ExportCase):
    def test_streamed_and_plain(self):
        root = self.mock("--ttft", "2ms", "--itl", "1ms", "--tokens", 8)
        for words in ([], ["--stream"]):
            shutil.rmtree(self.path("outputs"), ignore_errors=True)
            for year in YEARS:
                if os.path.exists(self.path(f"out{year}.db")):
                    os.remove(self.path(f"out{year}.db"))
            self.run_against(root, "-n", 10, *words)
            ours = self.assert_same()
            self.assertEqual([row["success"] for row in ours], [1] * 10)

    def test_odd_answers(self):
        surrogate = b'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83cb\\u0000c \\ud83d\\ude00 \xe4\xbd\xa0"}}]}\n\n'
        number = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"big":[9223372036854775807,1e400,-0.0]}\n\n'
        null = b'data: {"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"r"}}]}\n\n'
        twice = b'data: {"choices":[{"index":0,"delta":{"content":"x","content":null}}]}\n\n'
        ping, odd = b": ping\n\n", b"data: no json, \xff\xfe bytes\n\n"
        end = (event(finish="stop"), DONE)
        cases = [
            sends(answer(surrogate, number, ping, null, twice, *end)),
            sends(GOOD),
            sends(plain({"choices": [{"index": 0, "message": {"content": "\ud83c \x00 \U0001f600"}, "finish_reason": "stop"}]})),
            sends(plain(b"\xff not json", status="503 Busy")),
            sends(plain({"error": {"message": "too many"}}, status="429 Slow down")),
            sends(answer(event("cut"), b'data: {"choices":[{"del')),
            sends(answer(event("x"), odd, *end)),
            sends(b""),
            sends(answer(event("one"), DONE)),
            sends([STREAM_HEAD + b"Connection: close\r\n\r\n", event("a"), event("b"), event("c"), event(finish="stop"), DONE],
                  pause=0.05),
        ]
        rows = self.run_cases(cases)
        times = json.loads(rows[-1]["chunk_times"])
        self.assertEqual((len(times), times[-1] - times[-2] > 0.03), (4, True), times)
        self.assertEqual([row["success"] for row in rows][:6], [1, 1, 1, 0, 0, 0])
        ours = self.assert_same()
        self.assertTrue(any("\\ud83c" in (row["response_messages"] or "") for row in ours))
        out = self.script(os.path.join(DATA, "slow_2025.py"), "out2025.db")
        self.assertIn("columns", out)

    def test_odd_requests(self):
        """Bodies that a script gives as text, and one that it refuses to give."""
        bodies = [
            '{"n":"case 0","big":[9223372036854775807,-9223372036854775808,18446744073709551616,2147483648,-2147483649,1e400],'
            '"small":[0,-1,2147483647,-2147483648,1.5,1.0,-0.0,0.1,1e3],"yes":true,"no":false,"none":null,"e":{},"l":[[],[{}]]}',
            '{"n":"case 1","text":"\\u0000\\ud83d\\ude00\\u4f60 \U0001f600 你\\n\\"","你":"key"}',
            '{"n":"case 2","a":1,"a":2}',
            '[1,"case 3"]',
            '{"n":"case 4","lone":"a\\ud83cb"}',
            'case 5 is not JSON \u4f60',
        ]
        self.write("odd.lua", """
            local openai = require "apis.openai"
            local bodies = { %s }
            function openai.build_request(messages, opts, ctx)
                return bodies[tonumber(messages[1].content:match("%%d+")) + 1] or error("none") end
            return openai""" % ", ".join("[==[%s]==]" % body for body in bodies))
        rows = self.run_cases([sends(GOOD)] * len(bodies), "--api", self.path("odd.lua"))
        self.assertEqual([row["success"] for row in rows], [1] * len(bodies))
        for year in YEARS:
            got = [row["request"] for row in self.exported(year)]
            want = [json.loads(body) for body in bodies[:4]]
            want += [{"n": "case 4", "lone": "a\ufffdb"}, bodies[5]]
            self.assertEqual({repr(value) for value in got}, {repr(value) for value in want})
        self.assertIn(BIG, got[[isinstance(value, dict) and "big" in value for value in got].index(True)]["big"])

    def test_a_request_that_was_never_made(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.write("odd.lua", """
            local openai = require "apis.openai"
            local build = openai.build_request
            function openai.build_request(messages, opts, ctx)
                if ctx.index % 2 == 1 then error("odd ones are not wanted") end
                return build(messages, opts, ctx) end
            return openai""")
        self.run_against(root, "-n", 10, api=self.path("odd.lua"))
        ours = self.assert_same()
        self.assertEqual([row["success"] for row in ours].count(0), 5)

    def test_the_warm_up_is_left_out(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "-n", 5, "--warmup-num", 3, "--sleep-interval", "0s")
        ours = self.database().execute("SELECT start_time FROM result WHERE stage IN (SELECT id FROM stage WHERE NOT warmup)")
        self.assertIn("3 results of the warm-up left out", self.export("2024").out)
        rows = self.exported("2025")
        self.assertEqual([row["start_time"] for row in rows], [row[0] for row in ours])
        self.assertEqual(len(rows), 5)

    def test_bodies_that_were_left_out(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "-n", 5)
        base = sqlite3.connect(self.path("outputs/run.db"))
        with base:
            base.execute("UPDATE result SET request=NULL, response_messages=NULL, text=NULL, bodies_left_out=1 WHERE id=2")
        base.close()
        result = self.export("2025", target="left.db")
        self.assertIn("did not store the bodies of 1 ", result.err)
        rows = self.exported("2025")
        self.assertEqual([row["request"] is None for row in rows], [False, True, False, False, False])
        self.assertEqual([row["response_messages"] is None for row in rows], [False, True, False, False, False])
        self.assertEqual({row["success"] for row in rows}, {1})


class Files(ExportCase):
    def setUp(self):
        super().setUp()
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        self.run_against(root, "-n", 3)

    def change(self, sql):
        base = sqlite3.connect(self.path("outputs/run.db"))
        with base:
            base.execute(sql)
        base.close()

    def test_an_existing_file_is_kept(self):
        self.write("there.db", "mine")
        for source in ("outputs/run.db", "there.db"):
            self.assertIn("there.db", self.export("2025", source, target="there.db", expect=2 if source != "there.db" else 3).err)
        before = self.read("outputs/run.db")
        self.export("2025", target="outputs/run.db", expect=2)
        self.assertEqual(self.read("outputs/run.db"), before)
        self.assertEqual(self.read("there.db"), b"mine")

    def read(self, name):
        with open(self.path(name), "rb") as content:
            return content.read()

    def test_bad_words(self):
        for words, fragment in (
                ([], "--format"),
                (["outputs/run.db", "new.db"], "evalscope-2024"),
                (["--format", "evalscope-2023", "outputs/run.db", "new.db"], "evalscope-2023"),
                (["--format", "evalscope-2025"], "two files"),
                (["--format", "evalscope-2025", "outputs/run.db"], "two files"),
                (["--format", "evalscope-2025", "outputs/run.db", "new.db", "more.db"], "more.db"),
                (["--formt", "evalscope-2025", "outputs/run.db", "new.db"], "--format")):
            result = self.llmbench("export", *words, expect=2)
            self.assertIn(fragment, result.err, words)
            self.assertEqual(result.out, "")
        self.assertFalse(os.path.exists(self.path("new.db")))

    def test_files_that_are_no_runs(self):
        self.export("2025", target="copy.db")
        self.write("text.db", "not a database, but a text that is long enough to be looked at " * 20)
        self.write("empty.db", "")
        for source in ("copy.db", "text.db", "empty.db", "gone.db", "outputs", "outputs/run.log"):
            result = self.export("2025", source, target="new.db", expect=3)
            self.assertIn(source, result.err)
            self.assertEqual(len(result.err.splitlines()), 1, result.err)
            self.assertFalse(os.path.exists(self.path("new.db")), source)

    def test_a_damaged_run(self):
        for column, value in (("response_messages", "'oops'"), ("response_messages", "'[1]'"), ("chunk_times", "'{}'")):
            self.change(f"UPDATE result SET {column}={value} WHERE id=2")
            result = self.export("2025", target="new.db", expect=3)
            self.assertIn(f"result 2, column {column}", result.err)
            self.assertFalse(os.path.exists(self.path("new.db")))

    def test_a_folder_that_is_not_there(self):
        result = self.export("2025", target="no/such/new.db", expect=1)
        self.assertIn("no/such/new.db", result.err)

    def test_names_that_mean_something_to_sqlite(self):
        for name in (":memory:", "file:x.db?mode=memory"):
            self.assertEqual(len(self.exported("2025", target=name)), 3)

    def test_help_lists_the_formats(self):
        for words in (("export", "--help"), ("help", "export")):
            out = self.llmbench(*words, expect=0).out
            for year in YEARS:
                self.assertIn(f"evalscope-{year}", out)
        self.assertIn("export", self.llmbench("--help", expect=0).out)


class Sizes(ExportCase):
    def made(self, name, count):
        """A database of a run with many results, all like the first of a real one."""
        if not os.path.exists(self.path("outputs/run.db")):
            self.run_against(self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 16), "-n", 1, "--stream")
        shutil.copy(self.path("outputs/run.db"), self.path(name))
        base = sqlite3.connect(self.path(name))
        columns = [row[1] for row in base.execute("PRAGMA table_info(result)") if row[1] != "id"]
        listed = ",".join(columns)
        with base:
            base.execute(f"""WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
                             INSERT INTO result({listed}) SELECT {listed} FROM result, n WHERE id=1""")
        base.close()

    def peak_kib(self, source, target):
        process = subprocess.Popen([LLMBENCH, "export", "--format", "evalscope-2024", source, target], cwd=self.work,
                                   stdout=subprocess.DEVNULL, env=clean_environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss

    @unittest.skipIf(SANITIZED, "sanitizers keep freed memory")
    def test_memory_does_not_grow_with_rows(self):
        self.made("small.db", 100)
        self.made("large.db", 20000)
        small, large = self.peak_kib("small.db", "s.db"), self.peak_kib("large.db", "l.db")
        self.assertGreater(os.path.getsize(self.path("l.db")), 50 << 20)
        self.assertLess(large, small + (8 << 10), "KiB")

    def test_no_room(self):
        def little_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        self.made("large.db", 5000)
        result = self.wait(self.spawn("export", "--format", "evalscope-2025", "large.db", "new.db", preexec_fn=little_room))
        self.assertEqual(result.code, 1, result.err)
        self.assertIn("cannot write new.db", result.err)
        self.assertEqual([name for name in os.listdir(self.work) if name.startswith("new.db")], [])

    @judged_by_the_clock
    def test_interrupted(self):
        self.made("large.db", 40000)
        process = self.spawn("export", "--format", "evalscope-2025", "large.db", "new.db")
        wait_for(lambda: os.path.exists(self.path("new.db")), what="new.db")
        process.send_signal(signal.SIGINT)
        result = self.wait(process)
        self.assertEqual(result.code, 130, result.err)
        self.assertIn("new.db", result.err)
        self.assertEqual([name for name in os.listdir(self.work) if name.startswith("new.db")], [])

    def test_a_run_that_goes_on_and_one_that_was_killed(self):
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 4)
        process = self.spawn("--api", "openai", "--prompt", "x", "--model", "m", "--name", "run", "--stream", "-d", "60s",
                             "--url", root + "/v1/chat/completions")

        def rows():
            try:
                return self.database().execute("SELECT count(*) FROM result").fetchone()[0]
            except sqlite3.OperationalError:
                return 0
        wait_for(rows, what="a row")
        self.assertGreater(len(self.exported("2024")), 0)
        process.kill()
        process.wait()
        self.assertEqual(len(self.exported("2025")), rows())


class Examples(ExportCase):
    def test_from_python(self):
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 6)
        words = [os.path.join(EXAMPLES, "from_python.py"), root, "--model", "m", "--number", "12", "--parallel", "3"]
        out = self.script(*words, LLMBENCH=LLMBENCH)
        self.assertIn("12 of 12 requests succeeded\n", out)
        self.assertRegex(out, r"ttft: p50 [\d.]+ ms, p99 [\d.]+ ms\n")
        self.assertEqual(len(re.findall(r"^slow: request \d+, .* 6 tokens: ", out, re.MULTILINE)), 3)
        refusing = self.mock("--api-key", "right")
        out = self.script(words[0], refusing, *words[2:], LLMBENCH=LLMBENCH, expect=1)
        self.assertIn("failed: 12 times http_4xx", out)

    def test_from_python_says_what_is_wrong(self):
        done = subprocess.run([sys.executable, "-B", os.path.join(EXAMPLES, "from_python.py"), "http://127.0.0.1:9", "--model", "m"],
                              cwd=self.work, capture_output=True, env=clean_environment(LLMBENCH=LLMBENCH), check=False,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"127.0.0.1", done.stderr)
        self.assertNotIn(b"Traceback", done.stderr)

    def test_the_notebook(self):
        with open(os.path.join(EXAMPLES, "read_results.ipynb"), encoding="utf-8") as text:
            notebook = json.load(text)
        self.assertEqual((notebook["nbformat"], notebook["nbformat_minor"]), (4, 5))
        ids = [cell["id"] for cell in notebook["cells"]]
        self.assertEqual(len(set(ids)), len(ids))
        for cell in notebook["cells"]:
            keys = {"cell_type", "id", "metadata", "source"}
            self.assertRegex(cell["id"], r"^[a-zA-Z0-9_-]{1,64}$")
            if cell["cell_type"] == "code":
                keys |= {"execution_count", "outputs"}
                self.assertEqual((cell["outputs"], cell["execution_count"]), ([], None))
            self.assertEqual(set(cell), keys)
            self.assertIsInstance(cell["source"], list)
        code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        self.assertGreater(len(code), 4)
        root = self.mock("--ttft", "5ms", "--itl", "1ms", "--tokens", 6)
        report, _ = self.run_against(root, "-n", 20, "--stream")
        runner = self.write("runner.py", "import json, sys\nnames = {}\nfor cell in json.load(open(sys.argv[1])):\n"
                            "    exec(compile(cell, 'cell', 'exec'), names)\n"
                            "print('\\nFOUND', json.dumps([names['percentiles'], len(names['gaps']), len(names['slowest'])]))\n")
        out = self.script(runner, self.write("cells.json", json.dumps(code)))
        self.assertIn("\nok 20", out)
        percentiles, gaps, slowest = json.loads(out.rpartition("FOUND ")[2])
        for name, metric in (("ttft", "ttft"), ("latency", "latency"), ("first chunk", "ttfc")):
            for p in ("50", "99"):
                self.assertAlmostEqual(percentiles[name][p], report["metrics"][metric]["p" + p], delta=0.005, msg=(name, p))
        self.assertEqual((gaps, slowest), (report["events"]["gaps"], 5))
        self.script(runner, self.path("cells.json"), RUN_DB=self.path("outputs/run.db"))


if __name__ == "__main__":
    unittest.main()
