-- The database of one llmbench run. Text, JSON as text, and numbers; nothing else is encoded.
-- Columns that end in _ns hold CLOCK_MONOTONIC nanoseconds; add run.wall_minus_monotonic_ns for
-- Unix time. NULL means "did not happen" or "not known", never 0 or -1.
PRAGMA user_version = 2;

-- One row: the run. Written at the start, completed at the end; `ended` IS NULL in the database of
-- a run that was killed.
CREATE TABLE run (
    name                    TEXT NOT NULL,    -- as --name, or made from model and time
    started                 TEXT NOT NULL,    -- local time, ISO 8601 with offset
    started_unix            REAL NOT NULL,    -- the same, Unix seconds
    wall_minus_monotonic_ns INTEGER NOT NULL, -- Unix time minus CLOCK_MONOTONIC at the start, ns
    version                 TEXT NOT NULL,    -- of llmbench
    libraries               TEXT,             -- and of what it is built on
    host                    TEXT,             -- system, CPUs, memory of the client
    calibration             TEXT,             -- JSON object: the host's last calibration (docs/calibrate.md), if there was one
    calibrated              TEXT,             -- the same in a sentence
    log                     TEXT,             -- path of the log file
    url                     TEXT,             -- credentials hidden
    model                   TEXT,
    api                     TEXT,             -- script and where it was found
    dataset                 TEXT,             -- script and where it was found
    data_source             TEXT,             -- where the prompts came from
    tokenizer               TEXT,             -- name, kind and hash of the tokenizer that counted; NULL: none
    options                 TEXT NOT NULL,    -- JSON object: every option that has a value; secrets redacted
    given                   TEXT,             -- JSON object: the options as --config reads them, for --resume
    files                   TEXT,             -- JSON object: SHA-256 of scripts and data, for --resume
    ended                   TEXT,             -- local time, ISO 8601 with offset
    ended_unix              REAL,             -- Unix seconds
    end_reason              TEXT,             -- number, data, duration, interrupted, ...
    stop_reason             TEXT,             -- a sentence, when the run stopped early
    interrupted             INTEGER           -- 1: by the operator
);

-- One row a stage (one load shape and end rule), from its beginning; what is known at its end follows then
-- (never for a warm-up).
CREATE TABLE stage (
    id                INTEGER PRIMARY KEY, -- result.stage, summary.stage
    label             TEXT NOT NULL,
    kind              TEXT NOT NULL,       -- closed: so many requests in flight; open: arrivals by plan
    warmup            INTEGER NOT NULL,    -- 1: not summarised
    asked_concurrency INTEGER,             -- requests in flight that were asked for, or allowed at most
    asked_rate        REAL,                -- arrivals a second; NULL: closed loop, all at once, or a trace
    start_ns          INTEGER,             -- it began; 0 of the due times of its plan
    first_arrival     INTEGER,             -- the lowest number that an arrival of it may have
    options           TEXT,                -- JSON object: what an experiment gave to its run, over run.options; null: taken away
    max_in_flight     INTEGER,             -- the most there were
    window_start_ns   INTEGER,             -- the first `started`
    window_end_ns     INTEGER,             -- starting stopped, or the last `end` of a run by count
    drain_end_ns      INTEGER,             -- the last `end`
    last_start_ns     INTEGER,             -- the last `started`
    steady_start_ns   INTEGER,             -- in flight first reached what was asked
    window_s          REAL,                -- seconds; throughputs are per this window
    due               INTEGER,             -- = ok + failed + cancelled + not_started
    ok                INTEGER,
    failed            INTEGER,
    cancelled         INTEGER,
    not_started       INTEGER,
    end_reason        TEXT,                -- number, data, duration, interrupted, ...
    sound             INTEGER,             -- verdict: 1 sound, 0 not
    verdict           TEXT,                -- JSON object: lists of sentences, reasons and remarks
    trust             TEXT,                -- JSON object: what the run measured about itself (docs/json.md)
    script            TEXT                 -- JSON object: shared counters, lines and error of done; NULL: none
);

-- One row each time the run was gone on with (--resume) after it had been cut off. The times in _ns go
-- on as if there had been no pause; Unix time in this part is their value plus wall_minus_ns.
CREATE TABLE part (
    number       INTEGER PRIMARY KEY, -- from 1; the run itself is part 0
    started      TEXT NOT NULL,       -- local time, ISO 8601 with offset
    started_unix REAL NOT NULL,
    first_result INTEGER NOT NULL,    -- the first result.id that this part may have
    wall_minus_ns INTEGER             -- Unix time minus the times in _ns; NULL: nothing was started
);

-- One row an exchange, in the order in which they were scored.
CREATE TABLE result (
    id                  INTEGER PRIMARY KEY,
    stage               INTEGER NOT NULL,
    arrival             INTEGER NOT NULL, -- number of the request within the run, from 0
    request             TEXT,    -- body as sent, JSON; a BLOB if it is not UTF-8 text; NULL: none, or left out
    response_messages   TEXT,    -- JSON list of strings: the payload of each event (of a plain answer: its body)
    text                TEXT,    -- the answer's text; several choices joined by a newline; a BLOB if it holds NUL or is no UTF-8
    bodies_left_out     INTEGER NOT NULL, -- 1: the three above are not stored
    success             INTEGER NOT NULL, -- 1 or 0; cancelled is 0 too, see outcome
    outcome             TEXT NOT NULL,    -- ok, http_4xx, truncated, cancelled, ...
    error               TEXT,    -- one sentence when not ok
    status              INTEGER, -- of HTTP
    start_time          REAL,    -- Unix seconds of sent_ns (of started_ns if it was never sent)
    completed_time      REAL,    -- Unix seconds of end_ns
    latency             REAL,    -- seconds, successes only: last_token - sent; plain answers: end - sent
    first_chunk_latency REAL,    -- seconds, streamed successes only: first_chunk - sent
    n_chunks            INTEGER, -- data events with a payload, the end marker left out; 1 for a plain answer
    chunk_times         TEXT,    -- JSON list: Unix seconds of the events but kinds d and p; exact times: events
    prompt_tokens       INTEGER,
    completion_tokens   INTEGER,
    cached_tokens       INTEGER, -- part of prompt_tokens
    reasoning_tokens    INTEGER, -- part of completion_tokens
    prompt_source       TEXT,    -- script, usage, tokenizer, events; none: not known
    completion_source   TEXT,
    token_error         TEXT,    -- why parse_responses or the tokenizer gave no counts
    uncounted           INTEGER NOT NULL, -- 1: it was the tokenizer
    template_tokens     INTEGER, -- of prompt_tokens, an estimate for the chat template
    event_token_source  TEXT,    -- of the tokens in events: script, tokenizer; NULL: not known
    usage_prompt_tokens         INTEGER, -- what the server's usage says ...
    usage_completion_tokens     INTEGER,
    tokenizer_prompt_tokens     INTEGER, -- ... and what the tokenizer counts, where it did
    tokenizer_completion_tokens INTEGER,
    prompt_difference           INTEGER, -- usage - tokenizer, where both are known
    completion_difference       INTEGER,
    metrics             TEXT,    -- JSON object: values of the script's own metrics by name, those that there are;
                                 -- NULL: the script has none
    metric_error        TEXT,    -- why an own metric gave no value, the first such failure
    metric_failures     INTEGER NOT NULL, -- bit i: the own metric at metric.position i failed
    finish_reason       TEXT,
    streamed            INTEGER NOT NULL, -- 1: the answer came as a stream of events
    text_chars          INTEGER, -- code points of content and reasoning
    text_events         INTEGER, -- events that carry text
    events              TEXT,    -- JSON object, see below; NULL if it or chunk_times passed 150 MB
    due_ns              INTEGER, -- the plan wanted it to leave
    slot_wait_ns        INTEGER, -- open loop with a cap: how long after due_ns a slot became free
    started_ns          INTEGER, -- given to the HTTP library
    connected_ns        INTEGER, -- NULL on a kept connection
    tls_done_ns         INTEGER,
    sent_ns             INTEGER, -- first byte of the request handed to the kernel
    first_byte_ns       INTEGER, -- of the response
    headers_ns          INTEGER, -- response headers complete
    first_chunk_ns      INTEGER, -- first data event, even an empty one
    first_token_ns      INTEGER, -- first event with text
    first_answer_ns     INTEGER, -- first event with text that is not reasoning
    last_token_ns       INTEGER, -- last event with text
    end_ns              INTEGER, -- answer complete, or given up
    reused              INTEGER NOT NULL, -- 1: went out on a kept connection
    resent              INTEGER NOT NULL, -- how often it was sent again on a fresh connection
    worker              INTEGER NOT NULL, -- thread that carried it out
    reads               INTEGER NOT NULL, -- of the answer's body
    reads_kernel        INTEGER NOT NULL, -- of them, with the kernel's own receive stamp
    answer_bytes        INTEGER NOT NULL  -- of the answer's body
);
-- result.events, one entry an event in every list:
--   t          nanoseconds after sent_ns (after started_ns where sent_ns IS NULL)
--   k          a string, one letter an event: o opening, c content, r reasoning, t tool call, f refusal,
--              u usage, d end marker, e error, p ping or comment, x not understood
--   read       number of the read that brought its last byte
--   bytes      length of its payload
--   tokens     tokens it carries; 0 = not known, but where event_token_source is tokenizer: none ends in it;
--              missing when all are 0
--   index      choice it belongs to; missing when all are 0
--   coalesced  positions (from 0) of the events whose time is an upper bound only

-- One row a metric that is not built in (docs/metrics.md has those).
CREATE TABLE metric (
    name    TEXT PRIMARY KEY, -- result.metrics, summary.metric
    title   TEXT NOT NULL,
    unit    TEXT NOT NULL,
    over    TEXT NOT NULL,    -- successes; all with a response; stage: one number a stage
    formula TEXT,             -- as the script says it
    position INTEGER          -- among the script's metrics, from 0; NULL: added by done
) WITHOUT ROWID;

-- Every statistic of every metric that has a value; seconds, tokens, ... as docs/json.md says.
CREATE TABLE summary (
    stage     INTEGER NOT NULL,
    part      TEXT NOT NULL,    -- whole; steady; felt: every failure counted as infinite (no row where
                                -- a percentile is infinite)
    metric    TEXT NOT NULL,    -- ttft, latency, ...
    statistic TEXT NOT NULL,    -- n, mean, std, min, max, p1 ... p99_9; value: one number a stage
    value     REAL NOT NULL,
    exact     INTEGER NOT NULL, -- 1: from exact values; 0: from a histogram of three digits
    PRIMARY KEY (stage, part, metric, statistic)
) WITHOUT ROWID;

-- About one row a second. Counts are totals since the start of the stage: subtract the row before.
CREATE TABLE interval (
    stage             INTEGER NOT NULL,
    t_s               REAL NOT NULL,    -- seconds since the start of the stage
    started           INTEGER NOT NULL, -- requests
    ended             INTEGER NOT NULL, -- exchanges over
    scored            INTEGER NOT NULL, -- of them, looked at; the columns ok ... completion_tokens know these
    ok                INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    cancelled         INTEGER NOT NULL,
    events            INTEGER NOT NULL, -- of answers
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    reads             INTEGER NOT NULL, -- of answers' bytes, also of those under way
    in_flight         INTEGER NOT NULL, -- at this moment
    draining          INTEGER NOT NULL  -- 1: starting has stopped
);
