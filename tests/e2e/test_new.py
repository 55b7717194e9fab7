"""`llmbench new`: skeletons that run as they stand, and never over a file that is there."""
import json
import os
import unittest

from harness import SOURCE, Case, stats

KINDS = sorted(name[:-4] for name in os.listdir(os.path.join(SOURCE, "lua/skeletons")))


class New(Case):
    def made(self, kind, name="mine"):
        result = self.llmbench("new", kind, name, expect=0)
        self.assertIn("mine.lua", result.out)
        with open(self.path("mine.lua"), encoding="utf-8") as text:
            return text.read()

    def test_the_protocol_runs(self):
        text = self.made("api")
        self.assertNotIn("NAME", text)
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 3, "--api-key", "sk-longenough")
        result = self.llmbench("-s", "mine.lua", "--url", root, "--model", "m", "--prompt", "hello", "--number", 20, "--name", "run",
                               "--api-key", "sk-longenough", "--temperature", 0.5, expect=0)
        self.assertNotIn("warning", result.err)
        rows = self.database().execute("SELECT * FROM result").fetchall()
        self.assertEqual({(row["outcome"], row["streamed"], row["completion_tokens"], row["completion_source"], row["text_events"],
                           row["finish_reason"]) for row in rows}, {("ok", 1, 3, "usage", 3, "stop")})
        self.assertEqual({json.loads(row["request"])["temperature"] for row in rows}, {0.5})
        self.assertEqual(stats(root)["requests"]["total"], 20)

    def test_its_errors_are_read(self):
        self.made("api")
        root = self.mock("--api-key", "sk-longenough")
        self.llmbench("-s", "mine.lua", "--url", root, "--model", "m", "--prompt", "hello", "--name", "run", expect=1)
        row = self.database().execute("SELECT outcome, error FROM result").fetchone()
        self.assertEqual(row["outcome"], "http_4xx")
        self.assertIn("key", row["error"])

    def test_the_data_set_runs(self):
        self.assertNotIn("NAME", self.made("dataset", "mine.lua"))
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        run = ["--dataset", "mine.lua", "--url", root, "--model", "m", "--stream"]
        self.llmbench(*run, "--name", "run", expect=0)
        rows = self.database().execute("SELECT outcome, request FROM result ORDER BY arrival").fetchall()
        self.assertEqual([row["outcome"] for row in rows], ["ok"] * 5)
        asked = [json.loads(row["request"]) for row in rows]
        self.assertEqual({said["max_tokens"] for said in asked}, {32})
        self.assertEqual(asked[1]["messages"][1]["content"], "Tell me about bread.")
        self.write("lines.txt", "one\ntwo\n")
        self.llmbench(*run, "--name", "file", "--dataset-path", "lines.txt", "-n", 3, expect=0)
        rows = self.database("file").execute("SELECT request FROM result ORDER BY arrival").fetchall()
        self.assertEqual([json.loads(row["request"])["messages"][0]["content"] for row in rows], ["one", "two", "one"])

    def test_the_experiment_runs(self):
        text = self.made("experiment")
        self.assertNotIn("NAME", text)
        self.write("mine.lua", text.replace("-- bench.save", "bench.save"))
        root = self.mock("--ttft", "1ms", "--itl", "1ms", "--tokens", 2)
        run = ["experiment", "mine.lua", "--url", root, "--model", "m", "--prompt", "hello", "--stream", "--name", "run"]
        result = self.llmbench(*run, "--levels", 1, 3, expect=0)
        self.assertEqual([line.split()[:3] for line in result.out.splitlines()],
                         [["parallel", "ok", "failed"], ["1", "20", "0"], ["3", "20", "0"]])
        with open(self.path("mine.csv"), encoding="utf-8") as table:
            self.assertEqual([line.split(",")[:3] for line in table.read().splitlines()],
                             [["failed", "ok", "parallel"], ["0", "20", "1"], ["0", "20", "3"]])
        stages = self.database().execute("SELECT ok, label FROM stage ORDER BY id").fetchall()
        self.assertEqual([tuple(stage) for stage in stages], [(20, "1 parallel"), (20, "3 parallel")])
        self.assertEqual(stats(root)["requests"]["total"], 40)
        self.assertIn("--levels", self.llmbench("experiment", "mine.lua", "--help", expect=0).out)

    def test_nothing_is_overwritten(self):
        for kind in KINDS:
            path = self.write(f"{kind}.lua", "precious")
            result = self.llmbench("new", kind, kind, expect=2)
            self.assertIn(f"{kind}.lua exists and is not overwritten", result.err)
            with open(path, encoding="utf-8") as text:
                self.assertEqual(text.read(), "precious")

    def test_what_is_refused(self):
        os.mkdir(self.path("folder.lua"))
        for words, said in [
                ([], "new KIND NAME"), (["api"], "new KIND NAME"), (["api", "a", "b"], "new KIND NAME"),
                (["apl", "a"], "there are: " + ", ".join(KINDS)), (["", "a"], "there are"), (["../apis/openai", "a"], "there are"),
                (["api", ""], "is no name"), (["api", ".lua"], "is no name"), (["api", "../a"], "is no name"), (["api", "/tmp/a"], "is no name"),
                (["api", "a\nb"], "is no name"), (["api", "a" * 300], "is no name"), (["api", ".a"], "is no name"),
                (["api", "folder"], "exists")]:
            result = self.llmbench("new", *words, expect=2)
            self.assertIn(said, result.err, words)
        self.assertEqual(os.listdir(self.work), ["folder.lua"])

    def test_a_folder_that_cannot_be_written(self):
        """Root may write anywhere but where there is no such folder any more."""
        gone = self.path("gone")
        os.mkdir(gone)
        self.work = gone
        process = self.spawn("new", "api", "mine", preexec_fn=lambda: os.rmdir(gone))
        result = self.wait(process)
        self.assertEqual(result.code, 1, result.err)
        self.assertIn("mine.lua cannot be written", result.err)


if __name__ == "__main__":
    unittest.main()
