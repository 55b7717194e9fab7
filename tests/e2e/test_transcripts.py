"""Recorded answers of real servers, replayed byte for byte, against what reader.py and a table checked by hand say."""
import json
import os
import random
import threading
import unittest

from harness import (Case, DONE, GOOD, SANITIZED, SOURCE, ScriptedServer, answer, event, judged_by_the_clock, read_request,
                     reset, sends, wait_read)
from reader import Message, Said, outcomes

FOLDER = os.path.join(SOURCE, "tests/data/transcripts")
NAMES = sorted(name[:-4] for name in os.listdir(FOLDER) if name.endswith(".raw"))


def raw(name):
    with open(os.path.join(FOLDER, name + ".raw"), "rb") as file:
        return file.read()


# Read off the recordings by eye, so that reader.py is checked too: outcome, prompt tokens, completion tokens, text
# events, finish reason, and a piece of the text or of the error.
BY_HAND = {
    "chop-byte": ("ok", 29, 6, 6, "length", "nehmer JavaScript()} release"),
    "llama-ascii-chat-stream-256": ("ok", 29, 256, 256, "length", ""),
    "llama-chat-nonstream": ("ok", 34, 6, 1, "length", " returningСахід secretilian ese"),
    "llama-chat-stream-aborted": ("truncated", None, None, 5, None, " unnecessência virus Hat"),
    "llama-chat-stream-maxtok0": ("ok", 34, 1, 1, "length", " returning"),
    "llama-chat-stream-maxtok1": ("ok", 34, 1, 1, "length", " returning"),
    "llama-chat-stream-n2": ("http_5xx", None, None, 0, None, "one completion choice"),
    "llama-chat-stream-nousage": ("ok", 34, 6, 6, "length", " returningСахід secretilian ese"),
    "llama-chat-stream-usage": ("ok", 34, 12, 12, "length", " returningСахід secretilian ese"),
    "llama-completions-stream": ("ok", 5, 6, 6, "length", " BengWill Flashissen"),
    "llama-err-401-nokey": ("http_4xx", None, None, 0, None, "Invalid API Key"),
    "llama-err-404": ("http_4xx", None, None, 0, None, "File Not Found"),
    "llama-err-503-loading": ("http_5xx", None, None, 0, None, "Loading model"),
    "llama-err-badjson": ("http_5xx", None, None, 0, None, "parse error at line 1, column 16"),
    "llama-err-invalid-utf8": ("empty", None, None, 0, None, "no text"),
    "llama-err-midstream-ctx": ("stream_error", None, None, 0, None, "exceeds the available context size"),
    "llama-gpt2-chunks-vs-tokens": ("ok", 1, 1500, None, "length", "\ufffd"),
    "llama-stream-ctx-limit-reached": ("stream_error", None, None, 477, None, "context shift is disabled"),
    "mockllm-chat-stream": ("ok", None, 11, 11, "stop", "Hi 👋\ufffd\ufffd naïv"),
    "mockllm-nonstream-error429": ("http_429", None, None, 0, None, "Rate limit reached"),
    "mockllm-stream-error429": ("stream_error", None, None, 0, None, "Rate limit reached"),
    "portkey-err-upstream-down": ("http_5xx", None, None, 0, None, "ECONNREFUSED 127.0.0.1:18079"),
    "portkey-openai-chat-stream": ("ok", 29, 6, 6, "length", "nehmer ál TRUE"),
}


def pieces(data, cuts):
    edges = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:]) if b > a]


class Transcripts(Case):
    def judge(self, name, row, message, said):
        """A row of a whole answer, column by column."""
        allowed = outcomes(message, said)
        self.assertIn(row["outcome"], allowed, f"{name}: {row['error']}")
        self.assertEqual(row["success"], int(row["outcome"] == "ok"), name)
        self.assertEqual(row["status"], message.status, name)
        self.assertEqual(json.loads(row["response_messages"]), said.payloads, name)
        self.assertEqual(row["finish_reason"] or None, said.finish, name)
        self.assertEqual(row["n_chunks"], len(said.payloads) - said.done, name)
        self.assertEqual(row["error"] is None, bool(row["success"]), name)
        if said.error:
            self.assertIn(said.error, row["error"], name)
        elif message.status != 200:
            self.assertIn(message.body.decode()[:200], row["error"], name)
        if row["success"]:
            self.judge_answer(name, row, said)

    def judge_answer(self, name, row, said):
        self.assertEqual(row["streamed"], int(said.stream), name)
        self.assertEqual(row["text"], said.text, name)
        self.assertEqual(row["text_events"], said.text_events, name)
        self.assertEqual(row["text_chars"], sum(map(len, said.texts.values())), name)
        self.assertEqual(row["prompt_tokens"], said.prompt, name)
        self.assertEqual(row["prompt_source"], "none" if said.prompt is None else "usage", name)
        known = said.completion is not None
        self.assertEqual(row["completion_tokens"],
                         said.completion if known else said.text_events if said.stream else None, name)
        self.assertEqual(row["completion_source"], "usage" if known else "events" if said.stream else "none", name)
        self.assertIsNone(row["token_error"], name)

    def replay(self, cut, names=NAMES, run="run"):
        """Each transcript once, its bytes cut by `cut`, and closed then."""
        rows = self.run_cases([sends(cut(raw(name))) for name in names], "--parallel", 8, name=run)
        for name, row in zip(names, rows):
            message = Message(raw(name))
            self.judge(name, row, message, Said(message))
        return dict(zip(names, rows))

    def test_whole_and_by_hand(self):
        self.assertGreaterEqual(len(NAMES), 35)
        rows = self.replay(lambda data: data)
        for name, (outcome, prompt, completion, text_events, finish, fragment) in BY_HAND.items():
            row = rows[name]
            self.assertEqual(row["outcome"], outcome, f"{name}: {row['error']}")
            self.assertIn(fragment, row["text"] if outcome in ("ok", "truncated") else row["error"], name)
            self.assertEqual(row["finish_reason"] or None, finish, name)
            for column, value in (("prompt_tokens", prompt), ("text_events", text_events)):
                if value is not None:
                    self.assertEqual(row[column], value, f"{name}: {column}")
            if outcome == "ok":
                self.assertEqual(row["completion_tokens"], completion, name)

    def test_a_byte_at_a_time(self):
        small = [name for name in NAMES if len(raw(name)) < (5_000 if SANITIZED else 400_000)]
        self.replay(lambda data: pieces(data, range(1, len(data))), small)

    def test_cut_anywhere(self):
        dice = random.Random(20)
        for turn in range(2 if SANITIZED else 6):
            self.replay(lambda data: pieces(data, dice.sample(range(1, len(data)), min(60, len(data) - 1))),
                        run=f"run{turn}")

    def cuts(self, data):
        """Where to break off: at the seams of HTTP and of the events, and here and there."""
        dice = random.Random(len(data))
        spots = {0, 1, 9, data.find(b"\r\n"), data.find(b"\r\n\r\n") + 2, data.find(b"\r\n\r\n") + 4}
        for seam in (b"\r\n", b"\n\n", b"data: [DONE]", b'"finish_reason":"', b"0\r\n\r\n", b"error:"):
            at = data.rfind(seam)
            spots |= {at - 1, at, at + 1, at + len(seam)} if at > 0 else set()
        spots |= set(dice.sample(range(len(data)), min(len(data), 12)))
        return sorted(spot for spot in spots if 0 <= spot < len(data))

    def broken_off(self, end):
        cases = [(name, at) for name in NAMES for at in self.cuts(raw(name))]
        if SANITIZED:
            cases = cases[::5]
        rows = self.run_cases([end(raw(name)[:at]) for name, at in cases], "--parallel", 16)
        for (name, at), row in zip(cases, rows):
            self.judge_broken(f"{name}[:{at}]", row, raw(name)[:at])

    def judge_broken(self, what, row, data):
        message = Message(data)
        said = Said(message)
        allowed = outcomes(message, said)
        self.assertIn(row["outcome"], allowed, f"{what}: {row['error']}; it ends {data[-60:]!r}")
        if row["outcome"] == "ok":
            self.judge_answer(what, row, said)
        else:
            self.assertTrue(row["error"], what)
            self.assertIsNone(row["latency"], what)
        if message.headers_done:
            self.assertEqual(row["status"], message.status, what)

    def test_broken_off_by_fin(self):
        self.broken_off(sends)

    def test_broken_off_by_rst(self):
        def end(data):
            def case(connection, _):
                connection.sendall(data)
                wait_read(connection)  # RST throws away what is still queued
                reset(connection)
            return case
        self.broken_off(end)


class Mutations(Case):
    def mutant(self, dice):
        """A recording with a few bytes changed, lost, doubled or moved."""
        data = bytearray(raw(dice.choice([name for name in NAMES if len(raw(name)) < 5_000])))
        for _ in range(dice.choice((1, 1, 2, 5, 20))):
            at, length = dice.randrange(len(data)), dice.choice((1, 1, 2, 8, 60))
            piece = data[at:at + length]
            change = dice.randrange(5)
            if change == 0:
                data[at] = dice.randrange(256)
            elif change == 1:
                data[at] ^= 1 << dice.randrange(8)
            elif change == 2:
                del data[at:at + length]
            elif change == 3:
                data[at:at] = piece
            else:
                data[at:at] = dice.choice((b"\0", b"\r", b"\n", b"\r\n\r\n", b"data:", b"{", b'"', b"\xff", b"[DONE]",
                                           b"99999999999"))
            data = data or bytearray(b"x")
        return bytes(data)

    def test_any_damage_is_one_row(self):
        dice = random.Random(os.environ.get("LLMBENCH_SEED", "77"))
        mutants = [self.mutant(dice) for _ in range(600)]
        rows = self.run_cases([sends(mutant) for mutant in mutants], "--parallel", 16, "--read-timeout", "2s",
                              "--total-timeout", "5s")
        for mutant, row in zip(mutants, rows):
            self.assertNotIn(row["outcome"], ("script_error", "cancelled", "connect_failed", "too_large"),
                             f"{row['error']} {mutant!r}")
            lists = json.loads(row["events"])
            self.assertEqual({len(lists[key]) for key in ("t", "k", "read", "bytes")}, {len(lists["k"])})
            self.assertEqual(row["outcome"] == "ok", row["error"] is None)
            if row["success"]:
                self.assertTrue(row["text_events"], mutant)


class Quirks(Case):
    @judged_by_the_clock
    def test_seven_events_in_one_segment(self):
        data = raw("llama-chat-stream-stop")
        rows = self.run_cases([sends(data), sends(pieces(data, self.chunk_starts(data)), 0.2)])
        together, apart = (json.loads(row["events"]) for row in rows)
        self.assertEqual(together["k"], apart["k"])
        self.assertEqual(len(together["k"]), 7)
        self.assertEqual(together["coalesced"], list(range(6)))
        self.assertEqual(len(set(together["t"])), 1)
        self.assertFalse(apart.get("coalesced"))
        self.assertEqual(len(set(apart["read"])), 7)
        gaps = [b - a for a, b in zip(apart["t"], apart["t"][1:])]
        self.assertTrue(all(gap > 0 for gap in gaps), gaps)

    @staticmethod
    def chunk_starts(data):
        """Where each HTTP chunk but the first begins, so that each is sent by itself."""
        starts, at = [], data.find(b"\r\n\r\n") + 4
        while (size := int(data[at:data.find(b"\r\n", at)], 16)):
            starts.append(at)
            at = data.find(b"\r\n", at) + 2 + size + 2
        return starts[1:] + [at]

    def test_keep_alive_promised_and_broken(self):
        """The server promises to keep the connection and closes it: at once, or when the next request is there."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nKeep-Alive: timeout=5, max=100\r\n"
        good = answer(event("a"), event(finish="stop"), DONE, head=head)
        for swallow in (False, True):
            seen, lock = [], threading.Lock()

            def serve(connection, _, swallow=swallow, seen=seen, lock=lock):
                if not read_request(connection):
                    return
                connection.sendall(good)
                if swallow and read_request(connection):
                    with lock:
                        seen.append(1)

            with ScriptedServer(serve) as server:
                report, _ = self.run_against(server.url, "--stream", "--parallel", 4, "-n", 120, "--name",
                                             f"swallow{swallow}")
                connections = server.connections
            rows = self.database(f"swallow{swallow}").execute("SELECT * FROM result").fetchall()
            self.assertEqual({row["outcome"] for row in rows}, {"ok"})
            self.assertEqual(len(rows), 120)
            resent = sum(row["resent"] for row in rows)
            self.assertEqual(report["counts"]["resent"], sum(row["resent"] > 0 for row in rows))
            if swallow:
                self.assertEqual(resent, len(seen), "each request that was read and not answered was sent again")
                self.assertGreater(resent, 10)
                self.assertRegex(" ".join(report["verdict"]["remarks"]), "sent again")
            self.assertLessEqual(connections, 121 + resent, "one to look whether the server is there, one a request")
            for row in rows:
                times = [row[name + "_ns"] for name in ("due", "started", "sent", "first_byte", "headers", "end")]
                self.assertEqual(times, sorted(times))

    def test_held_open_after_done(self):
        """The answer ends with its end marker, not a minute later; the marker's time is the end."""
        def hold(connection, _):
            connection.sendall(GOOD[:-5])
            connection.settimeout(20)
            connection.recv(1)
        rows = self.run_cases([hold] * 6, "--parallel", 2, "--read-timeout", "10s", "--total-timeout", "15s")
        for row in rows:
            self.assertEqual((row["outcome"], row["text"], row["finish_reason"]), ("ok", "Hello world", "stop"))
            self.assertLess(row["end_ns"] - row["sent_ns"], 8e9)
            self.assertEqual(row["end_ns"] - row["sent_ns"], json.loads(row["events"])["t"][-1])

    def test_text_after_a_false_end(self):
        """`data: [DONE]` inside a text is no end, and bytes after the marker but in time still belong to the answer."""
        quoted = answer(event("say\ndata: [DONE]"), event(" and go on"), event(finish="stop"), DONE)
        late = [answer(event("a"), event(finish="stop"), DONE)[:-5], b"2\r\n: \r\n0\r\n\r\n"]
        rows = self.run_cases([sends(quoted), sends(pieces(quoted, range(1, len(quoted)))), sends(late)])
        self.assertEqual([row["outcome"] for row in rows], ["ok"] * 3)
        self.assertEqual([row["text"] for row in rows[:2]], ["say\ndata: [DONE] and go on"] * 2)

    def test_usage_shapes(self):
        def usage(prompt=None, completion=None):
            return {"usage": {key: value for key, value in
                              (("prompt_tokens", prompt), ("completion_tokens", completion)) if value is not None}}
        end = [event(finish="stop"), DONE]
        cases = (  # events → prompt, completion, source of completion
            ([event("a", **usage(3, 1)), event("b", **usage(3, 2)), *end], 3, 2, "usage"),
            ([event("a", **usage(3, 7)), event("b", usage=None), *end], 3, 7, "usage"),
            ([event("a", **usage(3)), event("b", **usage(None, 5)), *end], 3, 5, "usage"),
            ([event("a", **usage(0, 0)), *end], 0, 0, "usage"),
            ([event("a", **usage(-1, -5)), *end], None, 1, "events"),
            ([event("a", usage="none"), event("b", usage=[1]), *end], None, 2, "events"),
            ([event("a", **usage(2.5, 1e300)), *end], None, 1, "events"),
            ([event("a", **usage(2**53 - 1, 2**31)), *end], 2**53 - 1, 2**31, "usage"),
        )
        rows = self.run_cases([sends(answer(*case[0])) for case in cases])
        for (events, prompt, completion, source), row in zip(cases, rows):
            got = (row["outcome"], row["prompt_tokens"], row["completion_tokens"], row["completion_source"])
            with self.subTest(events=events):
                self.assertEqual(got, ("ok", prompt, completion, source))


if __name__ == "__main__":
    unittest.main()
