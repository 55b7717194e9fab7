"""Computes every number of docs/metrics.md anew from the rows of a database, and compares report and table with it.

    python3 recompute.py RUN.db [REPORT.json [TABLE.txt]]

Takes only the recorded times, events and outcomes: nothing that the program summed up itself. The one fact of the run
that rows cannot tell is when starting stopped (table `stage`, of a run that ended by time)."""
import collections
import json
import math
import sqlite3
import sys

TEXT = set("crtf")
QUANTILES = {"p1": .01, "p5": .05, "p10": .10, "p25": .25, "p50": .50, "p66": .66, "p75": .75, "p80": .80, "p90": .90,
             "p95": .95, "p98": .98, "p99": .99, "p99_9": .999}
HISTOGRAMS = {"itl", "itl_per_token", "receive_delay"}


def percentile(values, q):
    """numpy's default: linear between order statistics; infinity stays infinity."""
    at = q * (len(values) - 1)
    low = math.floor(at)
    high = min(low + 1, len(values) - 1)
    if at == low:
        return values[low]
    return values[low] + (values[high] - values[low]) * (at - low)


def statistics(values):
    found = {"n": len(values)}
    if not values:
        return found
    values = sorted(values)
    mean = math.fsum(values) / len(values)
    found.update(mean=mean, std=math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values)),
                 min=values[0], max=values[-1])
    for name, q in QUANTILES.items():
        found[name] = percentile(values, q)
    return found


class Exchange:
    """One row, with its events taken apart."""

    def __init__(self, row):
        self.row = row
        lists = json.loads(row["events"])
        origin = row["sent_ns"] or row["started_ns"] or 0
        self.kinds = lists["k"]
        self.times = [origin + t for t in lists["t"]]
        self.tokens = lists.get("tokens", [0] * len(self.kinds))
        self.index = lists.get("index", [0] * len(self.kinds))
        self.coalesced = set(lists.get("coalesced", []))
        self.reads = lists["read"]
        self.streamed = bool(row["streamed"])
        self.ok = row["outcome"] == "ok"
        self.text = [i for i, kind in enumerate(self.kinds) if kind in TEXT]
        self.data = [i for i, kind in enumerate(self.kinds) if kind not in "dp"]

    def __getitem__(self, column):
        return self.row[column]

    def first(self, kinds):
        times = (time for time, kind in zip(self.times, self.kinds) if kind in kinds)
        return next(times, None) if self.streamed else None

    @property
    def first_token(self):
        return self.first(TEXT)

    @property
    def last_token(self):
        return self.times[self.text[-1]] if self.text and self.streamed else None

    @property
    def latest(self):
        """What ends the latency."""
        return self.last_token if self.streamed else self["end_ns"]

    @property
    def zero_known(self):
        """Of the tokenizer's counts 0 is one."""
        return self.row["event_token_source"] == "tokenizer"

    def gaps_per_token(self):
        """(seconds, tokens) up to each event that carries tokens; what the tokenizer finds none in lengthens the next gap."""
        for choice in sorted({self.index[i] for i in self.text}):
            own = [i for i in self.text if self.index[i] == choice]
            since = own[0]
            for i in own[1:]:
                if self.tokens[i]:
                    yield (self.times[i] - self.times[since]) / 1e9, self.tokens[i]
                if self.tokens[i] or not self.zero_known:
                    since = i

    def gaps(self):
        """(seconds, touches a coalesced event, tokens of the later one) between text events of one choice."""
        for choice in sorted({self.index[i] for i in self.text}):
            own = [i for i in self.text if self.index[i] == choice]
            for a, b in zip(own, own[1:]):
                touched = a in self.coalesced or b in self.coalesced
                yield (self.times[b] - self.times[a]) / 1e9, touched, self.tokens[b]

    def share_until(self, until):
        """How much of the answer's text lies in the window."""
        if not self.streamed or not self.text:
            return 1.0 if self["end_ns"] <= until else 0.0
        weights = [self.tokens[i] for i in self.text]
        if not all(weights) and not self.zero_known:
            weights = [1] * len(weights)
        return sum(w for i, w in zip(self.text, weights) if self.times[i] <= until) / sum(weights)


def seconds(start, end):
    return None if not start or end is None or end < start else (end - start) / 1e9


def per_request(x):
    """Every metric with one value a request, by name; None where there is none."""
    row, sent, due = x.row, x["sent_ns"], x["due_ns"]
    values = {"ttfb": seconds(sent, row["first_byte_ns"]) if row["first_byte_ns"] else None}
    if sent:
        values.update(setup=seconds(row["started_ns"], sent), schedule_lag=seconds(due, row["started_ns"]),
                      slot_wait=row["slot_wait_ns"] / 1e9 if row["slot_wait_ns"] is not None else None,
                      connect=seconds(row["started_ns"], row["connected_ns"]) if row["connected_ns"] else None)
        if values["schedule_lag"] is not None:
            values["own_lag"] = values["schedule_lag"] - (values["slot_wait"] or 0)
    if not x.ok:
        return values
    values.update(latency=seconds(sent, x.latest), latency_from_due=seconds(due, x.latest),
                  stream_end=seconds(sent, row["end_ns"]), input_tokens=row["prompt_tokens"],
                  output_tokens=row["completion_tokens"], cached_tokens=row["cached_tokens"],
                  reasoning_tokens=row["reasoning_tokens"])
    if not x.streamed:
        return values
    first, tokens = x.first_token, row["completion_tokens"]
    took = seconds(first, x.last_token) or None
    tpot = took / (tokens - 1) if took and tokens and tokens > 1 else None
    first_data, last_data = (x.times[x.data[0]], x.times[x.data[-1]]) if x.data else (None, None)
    values.update(
        ttft=seconds(sent, first), ttfc=seconds(sent, x.first(TEXT | {"o"})), ttfa=seconds(sent, x.first(TEXT - {"r"})),
        ttft_from_due=seconds(due, first), ttfa_from_due=seconds(due, x.first(TEXT - {"r"})), tpot=tpot,
        user_speed=1 / tpot if tpot else None, output_chars=row["text_chars"],
        user_char_speed=row["text_chars"] / took if took else None, packages=len(x.data),
        package_latency=seconds(first_data, last_data) / (len(x.data) - 1) if len(x.data) > 1 else None)
    return values


NAMES = ("ttfb", "ttft", "ttfc", "ttfa", "latency", "stream_end", "tpot", "user_speed", "ttft_from_due",
         "ttfa_from_due", "latency_from_due", "setup", "schedule_lag", "slot_wait", "own_lag", "connect", "input_tokens", "output_tokens",
         "cached_tokens", "reasoning_tokens", "output_chars", "user_char_speed", "packages", "package_latency")


def distributions(exchanges):
    pools = {name: [] for name in (*NAMES, "itl", "itl_per_token")}
    for x in exchanges:
        for name, value in per_request(x).items():
            if value is not None:
                pools[name].append(value)
        if x.ok and x.streamed:
            pools["itl"].extend(gap for gap, _, _ in x.gaps())
            for gap, tokens in x.gaps_per_token():
                pools["itl_per_token"].extend([gap / tokens] * tokens)
    return {name: statistics(values) for name, values in pools.items()}


def in_flight(exchanges, start, end):
    """(∫ in flight dt in ns between the two moments, the most at one time)."""
    area = sum(max(0, min(x["end_ns"], end) - max(x["started_ns"], start)) for x in exchanges)
    steps = sorted([(x["started_ns"], 1) for x in exchanges] + [(x["end_ns"], -1) for x in exchanges])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return area, most


def reached(exchanges, asked, said):
    """When so many were in flight for the first time: the moment `said`, if it can be that. A worker counts an answer out when it
    hears of its end, and the row has the kernel's time of that, so the rows alone may show the number a little later or not quite."""
    begun = sorted(x["started_ns"] for x in exchanges)
    if said is None:
        ended = sorted(x["end_ns"] for x in exchanges)
        assert all(sum(s <= at for s in begun) - sum(e <= at for e in ended) < asked for at in begun), "so many were in flight"
        return None
    assert said in begun, "the steady part begins with a start"
    now = 0
    for time, step in sorted([(start, 1) for start in begun] + [(x["end_ns"], -1) for x in exchanges]):
        now += step
        assert now < asked or time >= said, f"so many were in flight {said - time} ns before"
    assert sum(start <= said for start in begun) >= asked, "so many had not been started"
    return said


def known(exchanges, has):
    """A throughput is absent when there were successes but none of them has the count."""
    good = [x for x in exchanges if x.ok]
    return not good or any(has(x) for x in good)


def rates(window_s, requests, tokens, prompt, chars, area, of):
    has_tokens = known(of, lambda x: x["completion_tokens"] is not None)
    has_both = has_tokens and known(of, lambda x: x["prompt_tokens"] is not None)
    return {
        "request_throughput": requests / window_s,
        "output_throughput": tokens / window_s if has_tokens else None,
        "total_throughput": (tokens + prompt) / window_s if has_both else None,
        "char_throughput": chars / window_s if known(of, lambda x: x.streamed) else None,
        "achieved_rate": None,  # of an open loop, which no run here is
        "achieved_concurrency": area / 1e9 / window_s,
        "time_per_output_token": window_s / tokens if has_tokens and tokens else None,
    }


def of_stage(exchanges, end):
    start = min(x["started_ns"] for x in exchanges)
    area, most = in_flight(exchanges, start, end)
    inside = [x for x in exchanges if x.ok and x["end_ns"] <= end]
    counted = [x for x in exchanges if x["outcome"] in ("ok", "cancelled")]
    values = rates((end - start) / 1e9, len(inside),
                   math.fsum((x["completion_tokens"] or 0) * x.share_until(end) for x in counted),
                   sum(x["prompt_tokens"] or 0 for x in inside),
                   math.fsum(x["text_chars"] * x.share_until(end) for x in counted if x.streamed), area, exchanges)
    return {**values, "max_concurrency": most}


def of_steady(exchanges, start, end):
    area, _ = in_flight(exchanges, start, end)
    inside = [x for x in exchanges if x.ok and start <= x["end_ns"] <= end]
    began = [x for x in exchanges if x["started_ns"] >= start]
    return rates((end - start) / 1e9, len(inside), sum(x["completion_tokens"] or 0 for x in inside),
                 sum(x["prompt_tokens"] or 0 for x in inside),
                 sum(x["text_chars"] for x in inside if x.streamed), area, began)


class Recomputed:
    """All of it; `whole` and `steady` are {metric: {statistic: value}}, steady may be None."""

    def __init__(self, base):
        base.row_factory = sqlite3.Row
        self.exchanges = [Exchange(row) for row in base.execute("SELECT * FROM result WHERE started_ns IS NOT NULL")]
        self.rows = base.execute("SELECT outcome FROM result").fetchall()
        stage = base.execute("SELECT * FROM stage").fetchone()
        last_end = max(x["end_ns"] for x in self.exchanges)
        by_time = base.execute("SELECT end_reason FROM run").fetchone()[0] not in ("number", "data")
        self.start = min(x["started_ns"] for x in self.exchanges)
        self.end = stage["window_end_ns"] if by_time else last_end
        self.last_start = max(x["started_ns"] for x in self.exchanges)
        self.drain = max(0, last_end - self.end) / 1e9
        self.whole = distributions(self.exchanges)
        self.whole.update({name: {"value": value} for name, value in of_stage(self.exchanges, self.end).items()})
        gaps = [touched for x in self.exchanges if x.ok and x.streamed for _, touched, _ in x.gaps()]
        self.gaps, self.coalesced_gaps = len(gaps), sum(gaps)
        self.whole["coalesced_share"] = {"value": sum(gaps) / len(gaps) if gaps else None}
        self.steady_start = reached(self.exchanges, stage["asked_concurrency"], stage["steady_start_ns"])
        self.steady = None
        if self.steady_start:
            began = [x for x in self.exchanges if x["started_ns"] >= self.steady_start]
            self.steady = distributions(began)
            if self.last_start > self.steady_start:
                values = of_steady(self.exchanges, self.steady_start, self.last_start)
                self.steady.update({name: {"value": value} for name, value in values.items()})

    def outcomes(self):
        return dict(collections.Counter(row["outcome"] for row in self.rows))

    @property
    def failed(self):
        return sum(row["outcome"] not in ("ok", "cancelled") for row in self.rows)

    def felt(self, metric):
        values = [v for x in self.exchanges if (v := per_request(x).get(metric)) is not None]
        return statistics_felt(sorted(values) + [math.inf] * self.failed) if values else {}


def statistics_felt(values):
    felt = {name: percentile(values, q) for name, q in QUANTILES.items()}
    return {name: value if math.isfinite(value) else None for name, value in felt.items()}


# ---- comparing -----------------------------------------------------------------------------------------------------

class Comparison:
    """Collects what differs; `checked` counts what was compared."""

    def __init__(self):
        self.wrong, self.checked = [], 0

    def same(self, what, ours, theirs, relative=0.0, absolute=0.0):
        self.checked += 1
        if ours is None or theirs is None:
            if ours is not theirs:
                self.wrong.append(f"{what}: rows say {ours}, the report {theirs}")
        elif abs(ours - theirs) > max(relative * abs(ours), absolute):
            self.wrong.append(f"{what}: rows say {ours!r}, the report {theirs!r}")

    def metrics(self, where, ours, theirs):
        for name, values in theirs.items():
            if name == "receive_delay":
                continue  # its stamps are not in the database
            mine = ours.get(name, {})
            for key, value in values.items():
                if key == "exact":
                    self.same(f"{where}.{name}.exact", None if not mine.get("n") else name not in HISTOGRAMS, value)
                elif name in HISTOGRAMS:
                    # Each value is rounded to a nanosecond; percentiles come from buckets of three digits.
                    relative = 0 if key == "n" else 1e-9 if key in ("min", "max") else 1e-3
                    self.same(f"{where}.{name}.{key}", mine.get(key), value, relative, 0 if key == "n" else 2e-9)
                else:
                    # A standard deviation of nearly equal values is rounding and nothing else.
                    self.same(f"{where}.{name}.{key}", mine.get(key), value, 1e-9,
                              1e-9 * abs(mine["mean"]) if key == "std" and mine.get("mean") else 1e-12)

    def cell(self, what, ours, printed):
        """A printed number, to the digits that were printed."""
        printed = printed.rstrip("*").replace(",", "")
        self.checked += 1
        if (printed == "-") != (ours is None):
            self.wrong.append(f"{what}: rows say {ours}, printed is {printed}")
        elif ours is not None:
            digits = len(printed.partition(".")[2])
            if abs(float(printed) - ours) > 0.5000001 * 10 ** -digits + 1e-3 * abs(ours) * (what.endswith("ITL")):
                self.wrong.append(f"{what}: rows say {ours}, printed is {printed}")


def compare_report(found, report):
    check = Comparison()
    check.metrics("metrics", found.whole, report["metrics"])
    same = check.same
    by_outcome = found.outcomes()
    for name, count in report["counts"]["by_outcome"].items():
        same(f"counts.by_outcome.{name}", by_outcome.get(name, 0), count)
    same("counts.ok", by_outcome.get("ok", 0), report["counts"]["ok"])
    same("counts.cancelled", by_outcome.get("cancelled", 0), report["counts"]["cancelled"])
    same("counts.failed", found.failed, report["counts"]["failed"])
    same("counts.due", len(found.rows) + report["counts"]["not_started"], report["counts"]["due"])
    good = [x for x in found.exchanges if x.ok]
    same("counts.streamed", sum(x.streamed for x in good), report["counts"]["streamed"])
    same("counts.plain", sum(not x.streamed for x in good), report["counts"]["plain"])
    same("counts.resent", sum(x["resent"] > 0 for x in found.exchanges), report["counts"]["resent"])
    same("counts.reused", sum(x["reused"] for x in found.exchanges), report["counts"]["reused"])
    for name, column in (("prompt", "prompt_tokens"), ("completion", "completion_tokens"), ("cached", "cached_tokens"),
                         ("reasoning", "reasoning_tokens"), ("text_chars", "text_chars")):
        same(f"tokens.{name}", sum(x[column] or 0 for x in good), report["tokens"][name])
    for source, count in report["tokens"]["sources"].items():
        same(f"tokens.sources.{source}", sum(x["completion_source"] == source for x in good), count)
        same(f"tokens.prompt_sources.{source}", sum(x["prompt_source"] == source for x in good),
             report["tokens"]["prompt_sources"][source])
        same(f"tokens.event_sources.{source}",
             sum(x.streamed and (x["event_token_source"] or "none") == source for x in good),
             report["tokens"]["event_sources"][source])
    compare_token_check(check, good, report["tokens"]["check"])
    same("events.all", sum(len(x.kinds) for x in found.exchanges), report["events"]["all"])
    same("events.with_text", sum(len(x.text) for x in found.exchanges), report["events"]["with_text"])
    same("events.coalesced", sum(len(x.coalesced) for x in found.exchanges), report["events"]["coalesced"])
    same("events.gaps", found.gaps, report["events"]["gaps"])
    same("events.coalesced_gaps", found.coalesced_gaps, report["events"]["coalesced_gaps"])
    same("window.seconds", (found.end - found.start) / 1e9, report["window"]["seconds"], 1e-9)
    same("window.last_start_s", (found.last_start - found.start) / 1e9, report["window"]["last_start_s"], 1e-9)
    same("window.drain_s", found.drain, report["window"]["drain_s"], 1e-9)
    compare_steady(check, found, report["steady"])
    compare_felt(check, found, report["felt"])
    return check


def compare_token_check(check, good, reported):
    """The server's usage beside the tokenizer's counts."""
    found = {}
    for kind in ("prompt", "completion"):
        both = [(x[f"usage_{kind}_tokens"], x[f"tokenizer_{kind}_tokens"]) for x in good
                if x[f"usage_{kind}_tokens"] is not None and x[f"tokenizer_{kind}_tokens"] is not None]
        found[kind] = {"answers": len(both), "differ": sum(a != b for a, b in both), "usage": sum(a for a, _ in both),
                       "tokenizer": sum(b for _, b in both), "difference": sum(a - b for a, b in both),
                       "apart": sum(abs(a - b) for a, b in both)}
    if not any(kind["answers"] for kind in found.values()):
        check.same("tokens.check", None, reported)
        return
    for kind, values in found.items():
        for name, value in values.items():
            check.same(f"tokens.check.{kind}.{name}", value, (reported or {}).get(kind, {}).get(name))


def compare_steady(check, found, steady):
    check.same("steady", None if found.steady is None else 1, None if steady is None else 1)
    if not found.steady or not steady:
        return
    began = [x for x in found.exchanges if x["started_ns"] >= found.steady_start]
    check.metrics("steady.metrics", found.steady, {name: values for name, values in steady["metrics"].items()
                                                   if name not in ("max_concurrency", "coalesced_share")})
    check.same("steady.from_s", (found.steady_start - found.start) / 1e9, steady["from_s"], 1e-9, 1e-12)
    check.same("steady.ok", sum(x.ok for x in began), steady["ok"])
    check.same("steady.cancelled", sum(x["outcome"] == "cancelled" for x in began), steady["cancelled"])
    check.same("steady.failed", sum(x["outcome"] not in ("ok", "cancelled") for x in began), steady["failed"])


def compare_felt(check, found, felt):
    check.same("felt", 1 if found.failed and found.outcomes().get("ok") else None, None if felt is None else 1)
    for metric, values in (felt or {}).items():
        ours = found.felt(metric)
        for key, value in values.items():
            if key in QUANTILES:
                check.same(f"felt.{metric}.{key}", ours.get(key), value, 1e-9)


SUMMARY = {  # label of the printed table → metric; the others are looked at below
    "Average QPS": "request_throughput", "Average latency": "latency", "Average time to first token": "ttft",
    "Throughput(average output tokens per second)": "output_throughput",
    "Average time per output token": "time_per_output_token", "Average package per request": "packages",
    "Average package latency": "package_latency", "Average input tokens per request": "input_tokens",
    "Average output tokens per request": "output_tokens", "Average TPOT of one user": "tpot",
    "Average speed of one user (tokens per second)": "user_speed",
    "Throughput(input and output tokens per second)": "total_throughput",
    "Throughput(output characters per second)": "char_throughput",
    "Average concurrency achieved": "achieved_concurrency",
}
COLUMNS = ("ttfc", "latency", "ttft", "itl", "tpot", "user_speed")


def compare_table(found, table):
    check = Comparison()
    lines = table.splitlines()
    cells = {line[2:].rsplit(None, 1)[0].strip(): line.rsplit(None, 1)[1] for line in lines if len(line.split()) > 1}
    for label, metric in SUMMARY.items():
        values = found.whole[metric]
        check.cell(label, values.get("value", values.get("mean")), cells[label])
    outcomes = found.outcomes()
    taken = "Time taken for tests (seconds)"
    check.cell(taken, (found.end - found.start) / 1e9, cells[taken])
    check.cell("Succeed requests", outcomes.get("ok", 0), cells["Succeed requests"])
    check.cell("Total requests", len(found.rows) - outcomes.get("cancelled", 0), cells["Total requests"])
    at = next((i for i, line in enumerate(lines) if line.split()[:1] == ["Percentile"]), None)
    for line in lines[at + 2:at + 12] if at is not None else []:
        percent, *values = line.split()
        for metric, printed in zip(COLUMNS, values, strict=True):
            what = f"{percent} of {'ITL' if metric == 'itl' else metric}"
            check.cell(f"{percent}: {what.split()[-1]}", found.whole[metric].get("p" + percent.rstrip("%")), printed)
    return check


def main(words):
    found = Recomputed(sqlite3.connect(f"file:{words[0]}?mode=ro", uri=True))
    for name in ("ttft", "itl", "tpot", "latency"):
        print(name, {key: found.whole[name].get(key) for key in ("n", "mean", "p50", "p99", "max")})
    wrong = []
    if len(words) > 1:
        with open(words[1], encoding="utf-8") as text:
            wrong += compare_report(found, json.load(text)).wrong
    if len(words) > 2:
        with open(words[2], encoding="utf-8") as text:
            wrong += compare_table(found, text.read()).wrong
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
