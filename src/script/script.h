/* The Lua bridge: the only code that includes lua.h. One `struct script` is one Lua state with an
 * API and, in the composer, a dataset; one thread uses it. Lua never runs on a worker.
 *
 * Every call into Lua goes through one protected call with a traceback; an error becomes a `struct
 * err` that names the hook, the script's file and line. The contract is docs/scripting.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/secrets.h"
#include "base/span.h"
#include "model/exchange.h"
#include "model/own_metric.h"
#include "model/request.h"
#include "model/sample.h"

struct live;
struct report;
struct script;
struct shared;
struct watch;

enum script_role { SCRIPT_COMPOSER, SCRIPT_SCORER, SCRIPT_MAIN };
/* What says when a request is due, and with it which of an item's times count: `delay` or `at`. */
enum script_pace { SCRIPT_CLOSED, SCRIPT_OPEN, SCRIPT_TRACE };

/* What scripts may do outside their state is done for them by whoever opens them: this floor owns
 * no sockets. */
struct script_http_request {
    const char *method, *url;
    const struct list *headers; /* "Name: value" */
    struct span body;           /* NULL data = none */
    uint64_t timeout_ns;        /* for the whole of it; above 0 */
};

struct script_http_answer {
    int status;
    struct buf headers; /* lines of the final response, without status line and blank line */
    struct buf body;
};

/* The tokenizer of the run. `arg` is the caller's; what `open` gives is used by one thread. */
struct script_tokenizer {
    void *(*open)(const void *arg);
    void (*close)(void *tokens);
    /* The ids live until the next call with the same `tokens`. */
    bool (*encode)(void *tokens, struct span text, bool special, const uint32_t **ids,
                   size_t *count, struct err *err);
    bool (*decode)(void *tokens, const uint32_t *ids, size_t count, bool special, struct buf *out,
                   struct err *err);
    size_t vocabulary; /* ids are below it */
    const void *arg;
};

struct script_services {
    /* Sends one request and waits for the whole answer, which comes empty but with its ceilings.
     * Called in the thread that uses the script, during setup and refresh. */
    bool (*http)(void *arg, const struct script_http_request *request,
                 struct script_http_answer *answer, struct err *err);
    void *arg;
    const struct script_tokenizer *tokenizer; /* borrowed; NULL = there is none */
};

/* Ceilings in bytes; 0 = the default. */
struct script_limits {
    size_t body;   /* of one composed body (256 MiB) */
    size_t row;    /* of one line, CSV row or JSON string of a data file (64 MiB) */
    size_t head;   /* of the answer to a request of http.request (EXCHANGE_HEAD_MOST) … */
    size_t answer; /* … and of its body (64 MiB) */
};

struct script_config {
    enum script_role role;
    enum script_pace pace;
    const char *file;           /* -s: may hold API hooks, dataset hooks or both; NULL = none */
    const char *api;            /* --api: name or file; NULL = the file's own, else "openai" */
    const char *dataset;        /* --dataset: name or file; NULL = the file's own, else "openqa" */
    const struct opt_set *opts; /* becomes `opts` in Lua; borrowed */
    const char *data_path;      /* resolved data file: opts.dataset_path; NULL = none */
    const char *url, *model;    /* as sent; url may be only a host, then api.path is appended */
    struct log *log;
    struct secrets *secrets;
    const struct script_services *services; /* borrowed; NULL = scripts cannot send HTTP requests */
    struct shared *shared; /* of the run, borrowed; NULL = the script has counters of its own */
    uint64_t seed;
    bool no_setup;       /* the composer's setup is not called, ctx.setup stays nil */
    struct watch *watch; /* borrowed, outlives the script; NULL = calls may last for ever */
    size_t memory_limit; /* bytes for the Lua heap; 0 = the default (1 GiB) */
    struct script_limits limits;
};

/* What the loaded scripts say of themselves. Strings live as long as the script. */
struct script_facts {
    const char *api_name, *api_where;         /* "openai", "built in" or the file's path */
    bool api_shipped;                         /* a script of this program */
    const char *dataset_name, *dataset_where; /* "--prompt" when a prompt was given */
    const char *url;                          /* as sent: with the API's path; NULL in a scorer */
    const char *framing;                      /* "sse", "ndjson", "body" or NULL */
    struct span end_marker;                   /* empty = none */
    bool ends;                                /* a stream that shows no end is truncated */
    bool text;                                /* false: an answer without text is no failure */
    bool has_read_event;
    bool has_frame; /* own framing: script_frame */
    bool has_setup;
    const struct own_metrics *own; /* NULL = the API has none */
    bool has_interval, has_done;   /* hooks of main */
};

/* Options that scripts declare, as rows like the program's own; whoever has them puts the offsets
 * in. */
enum { SCRIPT_OPTIONS_MOST = 64 };
struct script_options {
    struct opt_row *rows; /* owned, like the texts they point to */
    size_t count;
    struct list texts;
};

/* Loads and validates the scripts in a state that is closed again, for their options alone: no
 * hook is called. `config->opts` is the program's own table, with what was given of it; a name that
 * stands there is an error. Release with script_options_fini in either case. */
bool script_options(const struct script_config *config, struct script_options *out,
                    struct err *err) MUST_CHECK;
void script_options_fini(struct script_options *options);

/* Loads and validates the scripts; in the composer also runs `setup`. Errors name file, line and
 * what would be right. */
struct script *script_open(const struct script_config *config, struct err *err);
void script_close(struct script *script);
const struct script_facts *script_facts(const struct script *script);
struct secrets *script_secrets(const struct script *script); /* those of the config */
/* What `setup` returned, packed, to be given to the scorers' states. */
struct span script_setup_result(const struct script *script);
bool script_set_setup(struct script *script, struct span packed, struct err *err) MUST_CHECK;
/* Appends it as JSON, nothing for nil; false: it cannot be shown so. */
bool script_setup_json(struct script *script, struct buf *out, struct err *err) MUST_CHECK;

/* ---- composer ---- */
/* Calls `refresh` if the script has one and its time has come. A failure is logged and leaves what
 * was there before; the next attempt is a period later. */
void script_refresh(struct script *script);
enum script_step {
    SCRIPT_STEP_OK,  /* *out is a request (perhaps with ->fault set: the script failed on this one)
                      */
    SCRIPT_STEP_END, /* the data is at its end */
    SCRIPT_STEP_FAILED, /* the data set itself failed: err says how; nothing more can come */
};
enum script_step script_next(struct script *script, uint64_t index, uint32_t stage,
                             struct request **out, struct err *err);
/* Whether there is a next request, without composing it, and the `at` of its item (0 = none). */
enum script_step script_peek(struct script *script, uint64_t *at_ns, struct err *err);
bool script_rewind(struct script *script,
                   struct err *err) MUST_CHECK; /* the data from its beginning again */
/* How many items of the data have been used since it last began. */
uint64_t script_place(const struct script *script);
/* Goes on after so many items, right after script_open. Data that has fewer begins anew. */
bool script_pass_over(struct script *script, uint64_t items, struct err *err) MUST_CHECK;
uint64_t script_malformed(
    const struct script *script); /* rows the data readers skipped and named in the log */

/* ---- scorer ---- */
struct usage {
    int64_t prompt, completion, cached, reasoning; /* TOKENS_UNKNOWN where absent */
};

/* What read_event said of one event. Spans live until the next call into this script. */
struct delta {
    bool understood;                                      /* false: the hook returned nil */
    struct span content, reasoning, refusal, tool, error; /* empty data pointer = absent */
    struct span finish;
    int64_t index;  /* choice */
    int64_t tokens; /* this event carries, TOKENS_UNKNOWN = not said */
    bool opening, done, cumulative;
    bool has_usage;
    struct usage usage;
    size_t more; /* further choices that the event carries: script_read_more */
};

/* Sets up the hooks' fresh ctx for this exchange (prompt, setup, index, stage, seed, status,
 * headers, user). */
bool script_answer_begin(struct script *script, const struct exchange *exchange,
                         struct err *err) MUST_CHECK;
/* The script's own framing: the next event in `bytes` (the whole answer) from `pos` on is
 * *from…*to, and the search goes on at *next, all 0-based, *to and *next exclusive. *found = false:
 * no event is left. *next is always beyond `pos`. */
bool script_frame(struct script *script, struct span bytes, size_t pos, bool *found, size_t *from,
                  size_t *to, size_t *next, struct err *err) MUST_CHECK;
/* Without the hook: everything but an empty payload counts as content. */
bool script_read_event(struct script *script, struct span data, struct span name, struct delta *out,
                       struct err *err) MUST_CHECK;
/* What read_event said of the event's choice number `i`, from 1 to out->more. */
bool script_read_more(struct script *script, size_t i, struct delta *out,
                      struct err *err) MUST_CHECK;
/* Prompt and completion tokens, TOKENS_UNKNOWN where the hook returned nil. */
bool script_parse_responses(struct script *script, const struct span *payloads, size_t count,
                            struct span request_body, int64_t *prompt, int64_t *completion,
                            struct err *err) MUST_CHECK;
/* Whoever is given a text of the prompt: a message's content, or the whole prompt (`chat` false).
 */
typedef void script_text_fn(void *arg, struct span text, bool chat);
/* The texts that an item was sent with, as `request->prompt` holds it: the content of each message
 * (an empty one where it has no text), or one text where the chat template is off. None for an item
 * that is a whole body. */
bool script_prompt_texts(struct script *script, struct span item, script_text_fn *text, void *arg,
                         struct err *err) MUST_CHECK;
/* Computes the own metrics that the judged sample has a value of, and counts the failures of their
 * functions; without own metrics the sample stays as it is. Before script_answer_end. */
void script_measure(struct script *script, struct sample *sample);
void script_answer_end(struct script *script);

/* ---- main ---- */
/* Calls `interval`, which must be there. *line: what it returned, owned by the caller; NULL =
 * nothing. */
bool script_interval(struct script *script, const struct live *live, char **line,
                     struct err *err) MUST_CHECK;
/* Calls `done`, which must be there, with the stage's summary; `last`: no stage follows. What it
 * returns goes into report->said and, its metrics, into the report's summary. False: it failed, or
 * something in its result is wrong; what came before that stays. */
bool script_done(struct script *script, struct report *report, bool last,
                 struct err *err) MUST_CHECK;

/* Where a name would be found: a word with '/' or ending in ".lua" is a file; a bare name is looked
 * up in $LLMBENCH_PATH, the installed share folder, the binary. */
bool script_known(const char *kind, const char *name); /* kind: "apis" or "datasets" */
/* Names of the built-in scripts of a kind, blank-separated: for messages and help. */
const char *script_builtin_names(const char *kind);
const char *script_library(void); /* "LuaJIT 2.1.0-beta3" */
