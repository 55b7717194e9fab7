"""Data files of every known shape, judged by the bodies the server got."""
import json
import os
import re
import unittest

from harness import SOURCE
from test_templates import Bodies


def asked(bodies):
    """The contents of each request's messages."""
    return [[message["content"] for message in json.loads(body)["messages"]] for body in bodies]


class Datasets(Bodies):
    def test_files_by_their_shape(self):
        turns = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"},
                                   {"from": "gpt", "value": "unused"}]}
        talk = [{"prompt": "a", "response": [["b"]]}, {"prompt": "c", "response": [["unused"]]}]
        for name, dataset, text, want in (
                ("p.txt", None, "one\n\ntwo", [["one"], ["two"]]),
                ("q.jsonl", None, '{"question":" one "}\n{"question":"two"}\n', [["one"], ["two"]]),
                ("c.jsonl", None, '{"prompt":"one"}\n{"messages":[{"role":"user","content":"two"}]}\n', [["one"], ["two"]]),
                ("t.jsonl", None, json.dumps(talk) + "\n", [["a", "b", "c"]]),
                ("s.json", None, json.dumps([turns]), [["a", "b", "c"]]),
                ("s.jsonl", None, json.dumps(turns) + "\n", [["a", "b", "c"]]),
                ("i.json", None, json.dumps([{"instruction": "one", "input": "", "output": "x"}], indent=1), [["one"]]),
                ("j.json", None, json.dumps(talk), [["a"], ["c"]]),
                ("u.txt", "qianfan", "one\ntwo\n", [["one"], ["two"]]),
                ("u.jsonl", "qianfan", json.dumps(talk) + "\n", [["a", "b", "c"]]),
                ("u.json", "qianfan", json.dumps(talk), [["a"], ["c"]]),
                ("v.json", "qianfan_json", json.dumps(talk), [["a"], ["c"]]),
                ("w.json", "sharegpt", json.dumps([turns]), [["a", "b", "c"]])):
            with self.subTest(name):
                path = self.write(name, text)
                words = ["--dataset-path", path] if dataset else []
                self.assertEqual(asked(self.run_bodies(*words, dataset=dataset or path)), want)

    def test_test_sets(self):
        path = self.write("testset.txt", '3|one\n[{"role":"system","content":"s"},{"role":"user","content":"u"}]\n')
        for words in (["--test-set", path], ["--dataset", "testset", "--dataset-path", path]):
            bodies = self.run_bodies(*words)
            self.assertEqual(asked(bodies), [["one"], ["s", "u"]])
            self.assertEqual([json.loads(body)["max_tokens"] for body in bodies], [3, 512])

    def test_whole_bodies_arrive_byte_for_byte(self):
        whole = ['{ "z" : 1.50, "stop": null,"a":[ 18446744073709551616 ]}', '{"messages":[]}']
        path = self.write("b.jsonl", "".join('{"id":1,"body":%s }\n' % body for body in whole))
        self.assertEqual(self.run_bodies("--seed", 4, dataset=path), whole)
        self.assertIn("gives whole bodies, so --seed cannot be added", self.result.err)

    def test_malformed_rows_are_named_and_counted(self):
        path = self.write("q.jsonl", '{"question":"one"}\n{oops\n{"answer":"x"}\n' + "[]\n" * 20 + '{"question":"two"}\n')
        report = self.path("report.json")
        bodies = self.run_bodies("--json", report, "-n", 4, dataset=path)
        self.assertEqual(asked(bodies), [["one"], ["two"], ["one"], ["two"]])
        self.assertIn("q.jsonl:2: skipped, not JSON:", self.result.err)
        self.assertIn("q.jsonl:3: skipped: it has no text in the field 'question'", self.result.err)
        self.assertIn("q.jsonl:11: skipped", self.result.err)
        self.assertNotIn("q.jsonl:12: skipped", self.result.err)
        self.assertEqual(self.result.err.count("12 further malformed lines were skipped"), 1)
        self.assertEqual(self.result.err.count("q.jsonl is read as openqa"), 1)
        with open(report, encoding="utf-8") as text:
            self.assertEqual(json.load(text)["trust"]["malformed_rows"], 22)

    def test_prompt_lengths(self):
        path = self.write("p.txt", "a\n ab \nabc\n你好\n   \nabcd\n")
        self.assertEqual(asked(self.run_bodies("--min-prompt-length", 1, "--max-prompt-length=4", dataset=path)),
                         [[" ab "], ["abc"], ["你好"]])
        self.assertIn("2 rows outside the prompt length asked for (more than 1 and fewer than 4 characters) left out",
                      self.result.err)
        self.assertEqual(self.run_bodies("--min-prompt-length", 9, dataset=path, expect=3), [])
        self.assertIn("holds no usable prompt; outside the prompt length asked for: 5", self.result.err)
        self.assertEqual(self.run_bodies("--min-prompt-length", 3, "--max-prompt-length", 4, dataset=path, expect=2), [])
        self.assertIn("leave no length between them", self.result.err)

    def test_the_example_of_the_page(self):
        with open(os.path.join(SOURCE, "docs/datasets.md"), encoding="utf-8") as page:
            script = self.write("own.lua", re.search(r"```lua\n(.*?)```", page.read(), re.S).group(1))
        path = self.write("c4.jsonl", '{"text":"one"}\n{"x":1}\n{"text":"two"}\n')
        self.assertEqual(asked(self.run_bodies("--dataset-path", path, dataset=script)), [["one"], ["two"]])
        self.assertIn("c4.jsonl:2: skipped: it has no text in the field 'text'", self.result.err)

    def test_a_missing_path_is_one_sentence(self):
        self.assertEqual(self.run_bodies(dataset="line_by_line", expect=3), [])
        self.assertIn("line_by_line reads a text file: name it by --dataset-path FILE", self.result.err)
        self.assertNotIn("traceback", self.result.err)

    def test_nothing_to_send(self):
        for name, text, part in (("e.txt", "\n \n", "holds no usable prompt"),
                                 ("e.jsonl", "", "its first row has none of the shapes known here"),
                                 ("x.jsonl", '{"x":1}\n', "its first row has none of the shapes known here"),
                                 ("s.json", '[{"conversations":[]}]', "holds no usable prompt; malformed rows: 1")):
            path = self.write(name, text)
            self.assertEqual(self.run_bodies(dataset=path, expect=3), [], name)
            self.assertIn(part, self.result.err)
        self.assertEqual(self.run_bodies("--test-set", path, dataset="openqa", expect=2), [])
        self.assertIn("names the data already", self.result.err)
        self.assertEqual(self.run_bodies("--test-set", "nowhere.txt", expect=3), [])
        self.assertIn("nowhere.txt", self.result.err)


if __name__ == "__main__":
    unittest.main()
