"""A streaming client in the usual manner of Python benchmarks: one task a slot, aiohttp, json.loads of each event. Prints the same line as
raw.c.  Usage: aio_client.py PORT CONNECTIONS REQUESTS TOKENS [--query Q] [--errors] [--plain]"""
import argparse
import asyncio
import json
import resource
import time

import aiohttp


def options():
    parser = argparse.ArgumentParser()
    for name in ("port", "connections", "requests", "tokens"):
        parser.add_argument(name, type=int)
    parser.add_argument("--query", default="")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--plain", action="store_true")
    return parser.parse_args()


class Client:
    def __init__(self, ask):
        self.ask, self.left, self.events, self.answers = ask, ask.requests, 0, []
        self.body = {"model": "m", "messages": [{"role": "user", "content": "Count to ten."}],
                     "max_tokens": ask.tokens, "ignore_eos": True}
        if not ask.plain:
            self.body.update(stream=True, stream_options={"include_usage": True})
        self.url = f"http://127.0.0.1:{ask.port}/v1/chat/completions" + ("?" + ask.query if ask.query else "")

    async def stream(self, response, sent):
        got = []
        async for line in response.content:
            line = line.strip()
            if not line.startswith(b"data:"):
                continue
            now = time.monotonic_ns()
            self.events += 1
            data = line[5:].strip()
            if data == b"[DONE]":
                continue
            event = json.loads(data)
            choices = event.get("choices")
            if choices and choices[0]["delta"].get("content"):
                got.append((now, event["sent_ns"], event.get("read_ns")))
        if self.ask.errors:
            self.answers.append((sent, got))

    async def slot(self, session):
        while self.left > 0:
            self.left -= 1
            sent = time.monotonic_ns()
            async with session.post(self.url, json=self.body) as response:
                if self.ask.plain:
                    json.loads(await response.read())
                else:
                    await self.stream(response, sent)

    async def run(self):
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=3600)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await asyncio.gather(*(self.slot(session) for _ in range(self.ask.connections)))


def spread(values):
    values.sort()
    at = lambda q: round(values[int(q * (len(values) - 1))] / 1e3, 1) if values else 0
    return {"n": len(values), "p50": at(.5), "p99": at(.99), "max": at(1)}


def main():
    ask = options()
    client = Client(ask)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    begun = time.monotonic()
    asyncio.run(client.run())
    seconds = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    itl, ttft = [], []
    for sent, got in client.answers:
        for before, after in zip(got, got[1:]):
            itl.append(abs((after[0] - before[0]) - (after[1] - before[1])))
        if got and got[0][2]:
            ttft.append(abs((got[0][0] - sent) - (got[0][1] - got[0][2])))
    print(json.dumps({"requests": ask.requests, "events": client.events, "seconds": round(seconds, 3),
                      "cpu_s": round(used.ru_utime + used.ru_stime, 4), "rss_kb": used.ru_maxrss,
                      "itl_us": spread(itl), "ttft_us": spread(ttft)}))


main()
