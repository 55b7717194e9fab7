"""Tokens by the model's own tokenizer: answers, prompts, events, made prompts. An independent reading of the tests' small
tokenizer counts everything again from the rows."""
import json
import os
import re
import shutil
import unittest

import recompute
from harness import SOURCE, Case, ScriptedServer, answer, event, plain, read_request, stats, DONE

TOKENIZER = os.path.join(SOURCE, "tests/data/tokenizer/tokenizer.json")
PER_MESSAGE, PER_PROMPT = 4, 3  # the estimate for a chat template, as docs/metrics.md has it


class Bpe:
    """Byte-level BPE by the book: slow, and without anything of the program in it."""
    PIECES = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")

    def __init__(self, path):
        with open(path, encoding="utf-8") as text:
            whole = json.load(text)
        self.ids = whole["model"]["vocab"]
        self.ranks = {tuple(pair.split(" ")): rank for rank, pair in enumerate(whole["model"]["merges"])}
        plain_bytes = [*range(33, 127), *range(161, 173), *range(174, 256)]
        self.letters, spare = {}, 256
        for byte in range(256):
            self.letters[byte] = chr(byte if byte in plain_bytes else spare)
            spare += byte not in plain_bytes
        self.known = {}

    def merged(self, piece):
        if piece not in self.known:
            parts = [self.letters[byte] for byte in piece.encode()]
            while len(parts) > 1:
                pairs = list(zip(parts, parts[1:]))
                best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
                if best not in self.ranks:
                    break
                at = pairs.index(best)
                parts[at:at + 2] = ["".join(best)]
            self.known[piece] = parts
        return self.known[piece]

    def tokens(self, text):
        return [token for piece in self.PIECES.findall(text) for token in self.merged(piece)]

    def count(self, text):
        return len(self.tokens(text))

    def encode(self, text):
        return [self.ids[token] for token in self.tokens(text)]

    def ends(self, text):
        """Of each token: how many characters of the text are whole when it has come."""
        ends, done, size = [], 0, [len(character.encode()) for character in text]
        at = left = 0
        for token in self.tokens(text):
            done += len(token)  # a letter a byte
            while at < len(text) and left + size[at] <= done:
                left += size[at]
                at += 1
            ends.append((at, left == done))
        whole = []
        for number, (place, clean) in enumerate(ends):
            later = next((p for p, ok in ends[number:] if ok), len(text))
            whole.append(place if clean else later)
        return whole


BPE = Bpe(TOKENIZER)


def deltas(row):
    """The content of each event, None where it has none."""
    found = []
    for message in json.loads(row["response_messages"]):
        chunk = json.loads(message) if message.startswith("{") else {}
        choices = chunk.get("choices") or [{}]
        found.append(choices[0].get("delta", {}).get("content"))
    return found


class Judged(Case):
    LENGTHS = (1, 2, 3, 7, 16, 40, 64, 120)

    def another(self):
        """Further runs of a test have the same name."""
        shutil.rmtree(self.path("outputs"), ignore_errors=True)

    def prompts(self):
        """Prompts that each want an answer of another length."""
        return self.write("set.txt", "".join(f"{n}|please answer in {n} tokens\n" for n in self.LENGTHS))

    def counted(self, api, *mock, stream=True, words=()):
        """One run against a fresh mock server: (completion tokens by arrival, sources, the server's own sum)."""
        dialect = ("--dialect", api) if api != "openai" else ()
        self.another()
        root = self.mock("--ttft", "2ms", "--itl", "0ms", "--tokens", 120, "--tokenizer-path", TOKENIZER, *dialect,
                         *mock)
        streaming = ("--stream",) if stream else ()
        lines = self.prompts()
        self.report, self.result = self.run_against(root, "--test-set", lines, "-n", len(self.LENGTHS), *streaming, *words,
                                                    api=api, dataset=None, path="")
        self.assertEqual(self.report["counts"]["ok"], len(self.LENGTHS), self.result.out)
        self.rows = self.database().execute("SELECT * FROM result ORDER BY arrival").fetchall()
        return ([row["completion_tokens"] for row in self.rows], {row["completion_source"] for row in self.rows},
                stats(root)["completion_tokens"])

    def judge(self):
        found = recompute.Recomputed(self.database())
        self.assertEqual(recompute.compare_report(found, self.report).wrong, [])


class Answers(Judged):
    def test_the_same_counts_without_usage(self):
        """What a tokenizer counts is what the usage says when the server's tokens are that tokenizer's."""
        for api, stream in (("openai", True), ("openai", False), ("dashscope", True), ("zhipu", True), ("qianfan", True),
                            ("qianfan", False)):
            with self.subTest(api=api, stream=stream):
                said, sources, theirs = self.counted(api, stream=stream)
                self.assertEqual((said, sources, theirs), (list(self.LENGTHS), {"usage"}, sum(self.LENGTHS)))
                ours, sources, theirs = self.counted(api, "--usage", "off", stream=stream,
                                                     words=("--tokenizer-path", TOKENIZER))
                self.assertEqual((ours, sources, theirs), (said, {"tokenizer"}, sum(said)))

    def test_rows_recounted(self):
        self.counted("openai", "--usage", "off", words=("--tokenizer-path", TOKENIZER))
        texts = 0
        for row in self.rows:
            self.assertEqual(row["completion_tokens"], BPE.count(row["text"]), row["text"])
            self.assertEqual(row["tokenizer_completion_tokens"], row["completion_tokens"])
            request = json.loads(row["request"])
            contents = sum(BPE.count(message["content"]) for message in request["messages"])
            self.assertEqual(row["prompt_tokens"], contents + PER_MESSAGE * len(request["messages"]) + PER_PROMPT)
            self.assertEqual(row["prompt_source"], "tokenizer")
            self.assertIsNone(row["usage_completion_tokens"])
            texts += any(ord(character) > 255 for character in row["text"])
        self.assertGreater(texts, 2, "some answers have characters of several tokens")
        self.assertEqual(self.report["tokens"]["template"], len(self.rows) * (PER_MESSAGE + PER_PROMPT))
        self.assertRegex(self.report["run"]["tokenizer"], r"^\S*tokenizer\S* \(BPE, \d+ entries, sha256 [0-9a-f]{16}\)$")
        self.assertEqual(self.database().execute("SELECT tokenizer FROM run").fetchone()[0], self.report["run"]["tokenizer"])
        self.assertIn(self.report["run"]["tokenizer"], self.result.out.replace("\n  ", " "))
        self.judge()

    def test_tokens_of_each_event(self):
        """A token belongs to the event with which its characters are whole; the mock's token events carry one each."""
        self.counted("openai", "--usage", "off", words=("--tokenizer-path", TOKENIZER))
        held = 0
        for row in self.rows:
            contents, length = deltas(row), 0
            ends = BPE.ends(row["text"])
            tokens = json.loads(row["events"])["tokens"]
            for content, found in zip(contents, tokens):
                before, length = length, length + len(content or "")
                wanted = sum(before < end <= length for end in ends)
                self.assertEqual(found, wanted, (row["text"], contents, tokens))
                held += content == ""
            self.assertEqual(sum(tokens), row["completion_tokens"])
            self.assertEqual(row["event_token_source"], "tokenizer")
        self.assertGreater(held, 10, "byte tokens wait until the character is whole")
        self.assertIn("Tokens of events from", self.result.out)

    def test_events_of_several_tokens(self):
        """Eight tokens an event: ITL per token is an eighth of ITL."""
        root = self.mock("--ttft", "2ms", "--itl", "3ms", "--jitter", "0%", "--dialect", "qianfan", "--tokenizer-path",
                         TOKENIZER, "--usage", "off")
        self.report, self.result = self.run_against(root, "--prompt", "go", "--max-tokens", "64", "-n", 10, "--stream",
                                                    "--tokenizer-path", TOKENIZER, api="qianfan", dataset=None, path="")
        metrics = self.report["metrics"]
        self.assertEqual(metrics["output_tokens"]["mean"], 64)
        self.assertEqual(metrics["itl"]["n"], 10 * 7)
        rows = self.database().execute("SELECT * FROM result").fetchall()
        first = sum(json.loads(row["events"])["tokens"][0] for row in rows)
        self.assertEqual(metrics["itl_per_token"]["n"], 640 - first)
        self.assertAlmostEqual(metrics["itl_per_token"]["mean"] * metrics["itl_per_token"]["n"],
                               metrics["itl"]["mean"] * metrics["itl"]["n"], delta=0.01 * metrics["itl"]["mean"] * 70)
        self.judge()

    def test_all_that_an_answer_says(self):
        """Reasoning, refusals and tool calls are tokens too; each text is encoded by itself."""
        think, say, call, no = "the river opens slowly", "你好 world", '{"city":"東京"}', "no, never"
        events = [{"reasoning_content": think[:9]}, {"reasoning_content": think[9:]}, {"content": say[:1]}, {"content": say[1:]},
                  {"tool_calls": [{"index": 0, "function": {"arguments": call}}]}, {"refusal": no}]
        chunks = [b"data: %s\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() for delta in events]
        row, = self.run_cases([lambda connection, _: connection.sendall(answer(*chunks, event(finish="stop"), DONE))],
                              "--tokenizer-path", TOKENIZER)
        self.assertEqual(row["outcome"], "ok", row["error"])
        self.assertEqual(row["completion_source"], "tokenizer")
        self.assertEqual(row["completion_tokens"], sum(map(BPE.count, (think, say, call, no))))
        self.assertEqual(sum(json.loads(row["events"])["tokens"]), row["completion_tokens"])

    def test_a_prompt_without_chat_template(self):
        with ScriptedServer(lambda connection, _: read_request(connection) and connection.sendall(
                plain({"choices": [{"index": 0, "text": "the morning", "finish_reason": "stop"}]}))) as server:
            self.run_against(server.url, "--prompt", "every bridge", "--no-apply-chat-template", "-n", 1, "--tokenizer-path",
                             TOKENIZER, path="/v1/completions", dataset=None)
        row = self.database().execute("SELECT * FROM result").fetchone()
        self.assertEqual(row["prompt_tokens"], BPE.count("every bridge"))
        self.assertEqual(row["completion_tokens"], BPE.count("the morning"))


    def test_a_text_that_cannot_be_encoded(self):
        """The events count then, and it is said; the usage would have gone before in any case."""
        words = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                 "vocab": {"hello": 0}}
        narrow = self.write("narrow.json", json.dumps({
            "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None, "decoder": None, "model": words}))
        root = self.mock("--ttft", "1ms", "--itl", "0ms", "--usage", "off")
        self.report, result = self.run_against(root, "--prompt", "hello hello", "--stream", "-n", 3, "--tokenizer-path", narrow,
                                               dataset=None)
        rows = self.database().execute("SELECT * FROM result").fetchall()
        self.assertEqual({row["completion_source"] for row in rows}, {"events"})
        self.assertEqual({row["prompt_tokens"] for row in rows}, {2 + PER_MESSAGE + PER_PROMPT})
        for row in rows:
            self.assertRegex(row["token_error"], "^the tokenizer: the model cannot write .* and has no token for the unknown$")
        self.assertEqual((self.report["tokens"]["uncounted"], self.report["tokens"]["errors"]), (3, 0))
        self.assertIn("; the tokenizer failed for 3", result.out)
        self.assertIn("the tokenizer could not count the tokens of 3 answers", result.out)
        self.judge()

    def test_told_again(self):
        """A report made of the database says the same of tokens."""
        self.counted("openai", words=("--tokenizer-path", TOKENIZER, "--check-tokens"))
        again = json.loads(self.llmbench("report", self.path("outputs/run.db"), "--json", "-", expect=0).out)
        for place in (("tokens",), ("run", "tokenizer"), ("metrics", "itl_per_token", "n"), ("verdict",)):
            first, second = self.report, again
            for name in place:
                first, second = first[name], second[name]
            self.assertEqual(first, second, place)

    def test_try(self):
        recorded = self.write("answer.txt", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event("the river") +
                              event(finish="stop", usage={"prompt_tokens": 3, "completion_tokens": 5}) + DONE)
        said = self.llmbench("try", "--prompt", "the morning", "--replay", recorded, "--tokenizer-path", TOKENIZER, "--check-tokens",
                             "--url", "http://127.0.0.1:9", "--model", "m", expect=0).out
        self.assertIn(f"prompt tokens: 3 (from usage), the tokenizer counts {2 + PER_MESSAGE + PER_PROMPT}", said)
        self.assertIn("completion tokens: 5 (from usage), the tokenizer counts 2", said)


class Check(Judged):
    def test_side_by_side(self):
        self.counted("openai", words=("--tokenizer-path", TOKENIZER, "--check-tokens"))
        for row in self.rows:
            self.assertEqual(row["completion_source"], "usage")
            self.assertEqual(row["tokenizer_completion_tokens"], BPE.count(row["text"]))
            self.assertEqual((row["completion_difference"], row["prompt_difference"]), (0, -PER_MESSAGE - PER_PROMPT))
        check = self.report["tokens"]["check"]
        self.assertEqual((check["completion"]["difference"], check["completion"]["differ"]), (0, 0))
        self.assertEqual(check["prompt"]["difference"], -len(self.rows) * (PER_MESSAGE + PER_PROMPT))
        self.assertRegex(self.result.out, r"Output, usage and tokenizer +253 and 253 tokens, difference \+0; 0 of 8")
        self.assertNotIn("where the tokenizer counts", self.result.out)
        self.judge()

    def test_without_it_nothing_is_compared(self):
        self.counted("openai", words=("--tokenizer-path", TOKENIZER))
        self.assertIsNone(self.report["tokens"]["check"])
        self.assertEqual({row["tokenizer_completion_tokens"] for row in self.rows}, {None})
        self.assertEqual(self.report["tokens"]["event_sources"]["tokenizer"], len(self.rows))

    def test_another_tokenizer_is_told(self):
        """The mock's own words are not that tokenizer's tokens."""
        root = self.mock("--ttft", "2ms", "--itl", "0ms")
        self.report, result = self.run_against(root, "--prompt", "hello", "--stream", "-n", 5, "--tokenizer-path", TOKENIZER,
                                               "--check-tokens", dataset=None)
        check = self.report["tokens"]["check"]["completion"]
        self.assertEqual((check["answers"], check["usage"]), (5, 320))
        self.assertGreater(check["tokenizer"], 330)
        self.assertIn("where the tokenizer counts", " ".join(result.out.split()))
        self.assertNotIn("tokenizer", " ".join(self.report["verdict"]["reasons"]), "a remark leaves the run sound")
        self.judge()


class Random(Judged):
    def asked(self, *words, number=6, stages=(), expect=0):
        root = self.mock("--ttft", "1ms", "--itl", "0ms", "--tokens", 2)
        self.another()
        self.run_against(root, "--dataset", "random", "--tokenizer-path", TOKENIZER, "-n", number, *words, *stages,
                         dataset=None, expect=expect)
        return [json.loads(row["request"])["messages"][0]["content"]
                for row in self.database().execute("SELECT request FROM result ORDER BY arrival")]

    def test_exact(self):
        prompts = self.asked("--input-tokens", 300)
        self.assertEqual([BPE.count(prompt) for prompt in prompts], [300] * 6)
        self.assertEqual(len(set(prompts)), 6)

    def test_lengths_of_every_size(self):
        for count in (1, 2, 5, 4000):
            with self.subTest(count=count):
                self.assertEqual([BPE.count(prompt) for prompt in self.asked("--input-tokens", count, number=2)], [count] * 2)

    def test_range_and_prefix(self):
        prompts = self.asked("--input-tokens", "50-90", "--prefix-tokens", 40, number=30)
        ids = [BPE.encode(prompt) for prompt in prompts]
        lengths = {len(one) for one in ids}
        self.assertTrue(50 <= min(lengths) < max(lengths) <= 90, lengths)
        self.assertGreater(len(lengths), 8)
        self.assertEqual(len({tuple(one[:40]) for one in ids}), 1)
        self.assertEqual(len({tuple(one[40:50]) for one in ids}), 30)

    def test_seeds_and_stages(self):
        first = self.asked("--input-tokens", 20)
        self.assertEqual(self.asked("--input-tokens", 20), first)
        self.assertFalse(set(self.asked("--input-tokens", 20, "--plan-seed", 7)) & set(first))
        stages = self.asked("--input-tokens", 20, stages=("-c", 1, 2, "--sleep-interval", "0s"))
        self.assertEqual(len(set(stages)), 12)
        same = self.asked("--input-tokens", 20, stages=("-c", 1, 2, "--sleep-interval", "0s", "--same-prompts"))
        self.assertEqual(sorted(same[:6]), sorted(same[6:]))

    def test_what_is_refused(self):
        for words, code, said in (
                (("--dataset", "random", "-n", 1), 3, "--dataset random: no tokenizer: --tokenizer-path names one"),
                (("--dataset", "random", "--tokenizer-path", TOKENIZER), 3, "never ends"),
                (("--dataset", "random", "-n", 1, "--tokenizer-path", TOKENIZER, "--input-tokens", "9-3"), 3, '"9-3"'),
                (("--dataset", "random", "-n", 1, "--tokenizer-path", TOKENIZER, "--input-tokens", "9", "--prefix-tokens", "9"), 3,
                 "--prefix-tokens 9 leaves nothing"),
                (("--prompt", "x", "--input-tokens", "9"), 2, "--dataset random"),
                (("--prompt", "x", "--check-tokens"), 2, "--check-tokens needs --tokenizer-path"),
                (("--prompt", "x", "--min-prompt-tokens", 3), 2, "--min-prompt-tokens needs --tokenizer-path"),
                (("--prompt", "x", "--min-prompt-tokens", 3, "--max-prompt-tokens", 2, "--tokenizer-path", TOKENIZER), 2,
                 "leave no length"),
                (("--prompt", "x", "--tokenizer-path", "nowhere"), 3, "nowhere"),
                (("--prompt", "x", "--tokenizer-path", self.write("broken.json", '{"model": {')), 3, "broken.json")):
            result = self.llmbench("http://127.0.0.1:9", "--model", "m", *words, expect=code)
            self.assertIn(said, result.err)
            self.assertNotIn("traceback", result.err)


class Summary(Judged):
    def test_scripts_get_what_the_report_has(self):
        own = self.write("done.lua", 'local json = require "json"\nlocal api = {}\nfor k, v in pairs(require "apis.openai") do api[k] = v '
                         'end\nfunction api.done(summary) return { lines = { "tokens " .. json.encode(summary.tokens) } } end\nreturn api\n')
        root = self.mock("--ttft", "1ms", "--itl", "0ms", "--tokens", 12, "--tokenizer-path", TOKENIZER)
        self.llmbench("-s", own, "--url", root, "--model", "m", "--prompt", "hi", "-n", 4, "--stream", "--json", "report.json", "--name",
                      "run", "--tokenizer-path", TOKENIZER, "--check-tokens", expect=0)
        with open(self.path("report.json"), encoding="utf-8") as text:
            report = json.load(text)
        line, = (line for line in report["script"]["lines"] if line.startswith("tokens "))
        self.assertEqual(json.loads(line[7:]), report["tokens"])
        self.assertEqual(report["tokens"]["check"]["completion"]["answers"], 4)


class Filter(Judged):
    def test_limits_are_inclusive_counted_and_said(self):
        texts = ["the", "the river", "every bridge opens slowly", "a b c d e f g h i j k l m n o p", "你好世界 時間"]
        counts = [BPE.count(text) for text in texts]
        low, high = sorted(counts)[1], sorted(counts)[3]
        lines = self.write("lines.txt", "".join(text + "\n" for text in texts))
        root = self.mock("--ttft", "1ms", "--itl", "0ms", "--tokens", 2)
        self.run_against(root, "--dataset-path", lines, "--tokenizer-path", TOKENIZER, "--min-prompt-tokens", low,
                         "--max-prompt-tokens", high, dataset="line_by_line")
        sent = [json.loads(row["request"])["messages"][0]["content"]
                for row in self.database().execute("SELECT request FROM result ORDER BY arrival")]
        self.assertEqual(sent, [text for text, count in zip(texts, counts) if low <= count <= high])
        with open(self.path("outputs/run.log"), encoding="utf-8") as log:
            said = re.search(r"(\d+) rows? outside the prompt length asked for \((.*?)\) left out", log.read())
        self.assertEqual(said.group(1), str(len(texts) - len(sent)))
        self.assertIn(f"at least {low} tokens, at most {high} tokens", said.group(2))


class Module(Judged):
    SCRIPT = """
local tokenizer = require "tokenizer"
local api = {}
function api.build_request(messages, opts, ctx)
    local text = ctx.prompt.prompt
    local ids, why = tokenizer.encode(text)
    return { model = "m", messages = messages, ids = ids or why, count = tokenizer.count(text),
             text = ids and tokenizer.decode(ids), size = tokenizer.vocabulary() }
end
function api.parse_responses() return nil, nil end
return api
"""

    def test_functions(self):
        root = self.mock("--ttft", "1ms", "--itl", "0ms", "--tokens", 2)
        script, text = self.write("s.lua", self.SCRIPT), "the 東京 river"
        self.llmbench("--url", root + "/v1/chat/completions", "--model", "m", "-s", script, "--prompt", text, "-n", 1, "--name",
                      "run", "--tokenizer-path", TOKENIZER, expect=0)
        body = json.loads(self.database().execute("SELECT request FROM result").fetchone()[0])
        self.assertEqual((body["ids"], body["count"], body["text"]), (BPE.encode(text), BPE.count(text), text))
        self.assertGreater(body["size"], max(body["ids"]))

    def test_without_tokenizer(self):
        root = self.mock("--ttft", "1ms", "--itl", "0ms", "--tokens", 2)
        self.llmbench("--url", root + "/v1/chat/completions", "--model", "m", "-s", self.write("s.lua", self.SCRIPT), "--prompt",
                      "the", "-n", 1, "--name", "run", expect=0)
        body = json.loads(self.database().execute("SELECT request FROM result").fetchone()[0])
        self.assertEqual(body["ids"], "no tokenizer: --tokenizer-path names one")
        self.assertNotIn("count", body)


if __name__ == "__main__":
    unittest.main()
