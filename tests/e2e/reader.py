"""What a recorded answer says, read anew: HTTP, server-sent events and OpenAI's JSON in the plainest way, without
regard to how the program does it. Judges the program's rows; never judged by them."""
import json
import re


class Message:
    """One HTTP/1.1 response, possibly cut short."""

    def __init__(self, raw):
        head, blank, rest = raw.partition(b"\r\n\r\n")
        self.headers_done = bool(blank)
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if len(lines) > 1 else None
        self.headers = dict(re.split(r":\s*", line.lower(), maxsplit=1) for line in lines[1:]) if blank else {}
        self.body, self.complete = b"", False
        if blank and self.headers.get("transfer-encoding") == "chunked":
            self._chunks(rest)
        elif blank and "content-length" in self.headers:
            length = int(self.headers["content-length"])
            self.body, self.complete = rest[:length], len(rest) >= length

    def _chunks(self, rest):
        while True:
            line, end, after = rest.partition(b"\r\n")
            if not end:
                return
            size = int(line.split(b";")[0], 16)
            self.body += after[:size]
            if size == 0:
                self.complete = after.startswith(b"\r\n")
                return
            if len(after) < size + 2:
                return
            rest = after[size + 2:]


def events(body):
    """(field, payload) of every event; a line `error: …` is one of its own; a last event needs no blank line."""
    found, data = [], []
    for line in re.split(rb"\r\n|\n|\r", body) + [b""]:
        if not line and data:
            found.append(("data", b"\n".join(data)))
            data = []
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"error":
            found.append(("error", value))
    return found


def whole(text):
    """As UTF-8 has it: a surrogate that stands alone is U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


class Said:
    """What the body says, as far as it came."""

    def __init__(self, message):
        self.stream = message.headers.get("content-type", "").startswith("text/event-stream")
        self.payloads, self.texts, self.text_events = [], {}, 0
        self.prompt = self.completion = self.finish = self.error = None
        self.done = self.half_error = False
        if self.stream:
            for field, payload in events(message.body):
                self._payload(field, payload)
        elif message.body:
            self._payload("data", message.body)

    def _payload(self, field, payload):
        self.payloads.append(payload.decode("utf-8", "replace"))
        if payload == b"[DONE]":
            self.done = True
            return
        try:
            chunk = json.loads(payload)
        except ValueError:
            self.half_error = field == "error"
            return
        if field == "error" or "error" in chunk:
            problem = chunk.get("error", chunk)
            self.error = problem["message"] if isinstance(problem, dict) else problem
        usage = chunk.get("usage") or {}
        self.prompt = usage.get("prompt_tokens", self.prompt)
        self.completion = usage.get("completion_tokens", self.completion)
        for choice in chunk.get("choices", []):
            self._choice(choice)

    def _choice(self, choice):
        said = choice.get("delta", choice.get("message", choice))
        text = said.get("content") or said.get("text") or ""
        self.finish = choice.get("finish_reason") or self.finish
        self.texts[choice["index"]] = self.texts.get(choice["index"], "") + whole(text)
        self.text_events += bool(text)

    @property
    def text(self):
        return "\n".join(self.texts[index] for index in sorted(self.texts))


def outcomes(message, said):
    """The outcomes that docs/metrics.md allows. An answer whose bytes end in the end marker is complete even if the
    message is cut then."""
    if not message.status:
        return {"reset", "truncated", "bad_response"}
    if message.status != 200:  # known as soon as the first line is there; a cut before the body may go by either name
        cut = set() if message.headers_done else {"reset", "truncated"}
        return cut | {"http_429" if message.status == 429 else f"http_{message.status // 100}xx"}
    if not message.headers_done:
        return {"reset", "truncated"}
    if said.error is not None:
        return {"stream_error"}
    marked = said.stream and message.body.rstrip().endswith(b"\ndata: [DONE]")
    if not message.complete and not marked:
        return {"reset", "truncated"} | ({"stream_error"} if said.half_error else set())
    if said.stream and not said.done and not said.finish:
        return {"truncated"}
    return {"ok"} if said.text_events else {"empty"}
