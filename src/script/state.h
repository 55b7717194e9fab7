/* The inside of `struct script`: one Lua state with a capped heap, and the program's one protected
 * call. For the files of this folder only. */
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/rng.h"
#include "script/contract.h"
#include "script/script.h"
#include "script/shared.h"
#include "script/watch.h"
#include "wire/json.h"

/* The scripts of who names none. */
#define API_DEFAULT "openai"
#define DATASET_DEFAULT "openqa"

/* What the bridge keeps alive in Lua's registry, by number. */
enum slot {
    SLOT_OPTS = 1,   /* the read-only table */
    SLOT_API,        /* the API script's table */
    SLOT_HOOKS,      /* the table with the hooks of main: the API's, or the file's of --script */
    SLOT_DATASET,    /* the dataset script's table */
    SLOT_ITERATOR,   /* what build_messages returned */
    SLOT_ITEM,       /* the dataset's next item, taken but not yet used */
    SLOT_SETUP,      /* what setup returned */
    SLOT_CTX,        /* of the answer being read */
    SLOT_DELTA,      /* what read_event returned last: its strings live as long */
    SLOT_ARRAY_MARK, /* metatables of json.array and json.object */
    SLOT_OBJECT_MARK,
    SLOT_INT64, /* FFI constructors for integers beyond 2^53 */
    SLOT_UINT64,
    SLOT_TOSTRING,
    SLOT_BYTES,       /* of the answer being framed */
    SLOT_NUMBER_MARK, /* metatable of numbers kept as text */
    SLOT_TEMPLATE,    /* --query-template, then the other options for the body; nil = not given */
    SLOT_HYPERPARAMETERS,
    SLOT_PARAMETERS,
    SLOT_EXTRA_ARGS,
    SLOT_METRICS,     /* the functions of the own metrics, a list */
    SLOT_SAMPLE,      /* what stands for the sample that they are computed of */
    SLOT_SAMPLE_META, /* its metatable */
    SLOT_EVENTS,      /* its events, once they were asked for */
    SLOT_EXPERIMENT,  /* its chunk */
    SLOT_ERROR,       /* Lua's own error(), whatever a script gives that name */
};

struct source;
struct experiment_host;

typedef void script_job_fn(lua_State *lua, struct script *script, void *arg);

/* A line of a data file up to which skipped rows have been counted, so that a second pass over the
 * data counts nothing twice. */
struct data_seen {
    char *path;
    uint64_t line;
};

/* How a call into Lua stands; one atomic word with the call's number. */
enum watch_phase {
    WATCH_IDLE,
    WATCH_RUNNING,
    WATCH_WAITING,     /* in a service that may wait */
    WATCH_INTERRUPTED, /* by the watch; its thread has not come back yet */
    WATCH_GIVEN_UP,    /* its thread never comes back */
    WATCH_PHASES = 8,
};

struct watched {
    struct watch *watch; /* borrowed; NULL = nobody watches */
    struct script *next; /* the watch's */
    _Atomic uint64_t word;
    uint64_t call;     /* the script's thread, like the next two */
    const char *doing; /* the hook, or what else is run */
    pthread_t thread;
    uint64_t seen, seen_ns; /* the watch's: the word, and since when it has stood */
    uint64_t limit_ns;      /* that the interrupted call had; set before it is interrupted */
    bool hurried;           /* it is Ctrl-C that interrupts; like limit_ns */
    _Atomic unsigned signals_sent, signals_seen;
    char *overdue; /* of the last interrupted call */
};

/* Where a hook's function begins, or a field is given: "mine.lua:12". */
struct hook_place {
    const char *hook;
    char *place; /* owned */
};

enum { HOOK_PLACES = 32 + OWN_METRICS };

struct script {
    lua_State *lua;
    struct watched watched;
    struct hook_place places[HOOK_PLACES];
    size_t place_count;
    char *loading;          /* "loading mine.lua" */
    bool foreign;           /* a script that is not of this program has been loaded */
    const char *stack_base; /* of the call under way */
    size_t stack_most;      /* bytes of C stack that it may take */
    size_t memory_used, memory_limit;
    bool memory_capped; /* only inside a protected call may an allocation be refused */
    bool memory_refused;
    bool error_placed;  /* the last error came from running Lua code: its text says where */
    script_job_fn *job; /* what the protected call is running */
    void *job_arg;

    enum script_role role;
    enum script_pace pace;
    const struct opt_set *opts; /* borrowed, like log and secrets */
    struct log *log;
    struct secrets *secrets;
    uint64_t seed;
    struct shared *shared;                  /* borrowed, or own_shared */
    struct shared *own_shared;              /* owned, NULL = the config brought them */
    struct rng random;                      /* of the random module */
    const struct script_services *services; /* borrowed; NULL = none */
    const struct experiment_host *host;     /* of an experiment; borrowed, NULL = it is none */
    bool may_block;                         /* setup or refresh is running */
    uint64_t refresh_every_ns;              /* 0 = never */
    uint64_t refresh_due_ns;
    struct script_limits limits; /* none of them 0 */
    struct script_facts facts;
    struct own_metrics *own;            /* NULL = none */
    const char *own_hooks[OWN_METRICS]; /* what they are called in messages */
    const struct sample *sample;        /* that own metrics are computed of now */
    struct list texts;                  /* what the facts point to */
    struct list beside;                 /* folders of the loaded scripts, for require */

    /* the composer's settings, fixed once the scripts are loaded */
    char *url, *model, *data_path;
    const char *prompt;              /* --prompt; borrowed from opts */
    uint64_t prompt_min, prompt_max; /* characters of a prompt: more than, fewer than */
    uint64_t prompt_tokens_min, prompt_tokens_max; /* tokens of a prompt: at least, at most */
    void *tokens;     /* of the services' tokenizer, opened at its first use; NULL = not yet */
    bool raw_prompts; /* build_request gets a string: --no-apply-chat-template */
    bool stream;      /* answers are asked for in pieces, whoever said so */
    bool has_template;
    bool template_model;             /* its model has a %m … */
    bool template_messages;          /* … its messages a %p, … */
    bool template_input;             /* … its input.messages too */
    const char *api_path, *api_auth; /* NULL = the script has none */
    struct span params_at;           /* names joined by dots; empty = top level */
    struct list host_headers;        /* Content-Type, the API key's: weaker than the script's */
    struct list user_headers;        /* --header: stronger than the script's */
    struct buf setup;                /* what setup returned, packed */

    /* where the data stands */
    bool item_taken;     /* SLOT_ITEM holds the next item */
    bool prompt_used;    /* --prompt has been given out */
    uint64_t item_count; /* items the data set gave so far in this pass */
    uint64_t item_seen;  /* up to which item of a pass those outside have been counted */
    uint64_t outside;    /* items left out for the length of their prompt */
    struct data_seen *seen;
    size_t seen_count;
    uint64_t malformed;
    double item_at; /* seconds: of the item that the data set gave last, 0 = before the first */
    bool warned_at, warned_delay; /* said once that these times are not used */
    bool warned_body;             /* said once that options do not go into ready bodies */

    /* scratch that outlives a Lua error thrown in its midst */
    struct list sent_headers; /* of the http module */
    struct script_http_answer answer;
    struct json reader;
    struct buf text;
    struct span *keys;
    size_t key_count, key_cap;
    uint64_t bad_utf8; /* strings written to JSON with U+FFFD in place of invalid bytes */
};

/* The script whose state this is; for C functions that Lua calls. */
struct script *script_of(lua_State *lua);
bool state_open(struct script *script, struct watch *watch, struct err *err) MUST_CHECK;
void state_close(struct script *script);
/* Runs job(lua, script, arg) under the one protected call: an empty stack at its start, whatever it
 * leaves is dropped. A Lua error becomes "HOOK: message" with the traceback; hook may be NULL. What
 * the bridge itself has to say of a hook begins with the place of the hook's function. */
bool state_run(struct script *script, const char *hook, script_job_fn *job, void *arg,
               struct err *err) MUST_CHECK;

/* The same for what is no hook: the message stands alone; `doing` names it for the watch. */
bool state_do(struct script *script, const char *doing, script_job_fn *job, void *arg,
              struct err *err) MUST_CHECK;
/* Remembers where the function at the top begins. */
void place_note(lua_State *lua, struct script *script, const char *hook);
/* Remembers the place of a field; takes `place`, NULL = not known. */
void place_put(struct script *script, const char *field, char *place);
/* Where the script `where` gives the field, "mine.lua:12"; only `where` when that is not known. */
const char *place_in(const struct script *script, const char *field, const char *where);

/* ---- watch.c: around a call, in its own thread ---- */
void watch_join(struct watch *watch, struct script *script);
void watch_leave(struct script *script);
void watched_begin(struct script *script, const char *doing);
/* True: the call was interrupted, and err says so. Does not return from a call given up. */
bool watched_end(struct script *script, bool failed, struct err *err);
bool watched_interrupted(const struct script *script);
void watched_wait(struct script *script); /* what follows may wait and is not counted, until … */
void watched_go_on(struct script *script);
bool watched_hurried(const struct script *script); /* Ctrl-C that nobody else hears */
/* Where the function of that name begins, "mine.lua:12"; NULL = nowhere, or not known. */
const char *place_of(const struct script *script, const char *doing);
/* Puts that place before the sentence, unless the last error says where it was or the script is
 * built in; always false. */
bool state_place(const struct script *script, const char *doing, struct err *err);
/* What a hook returned stands on the stack from base + 1 on; throws when that is more than the
 * `most` values that are `wanted`, or nil and a message, which nobody would see. Leaves `most`. */
void results_keep(lua_State *lua, int base, int most, const char *wanted);

void slot_push(lua_State *lua, enum slot slot); // -- value
void slot_take(lua_State *lua, enum slot slot); // value --
void slot_clear(lua_State *lua, enum slot slot);

/* Pushes the formatted text with the calling script's place before it and throws it; never returns.
 * (luaL_error's own formats lack %zu and the like.) */
void throw_error(lua_State *lua, const char *format, ...) PRINTF_LIKE(2, 3)
    __attribute__((noreturn));
/* The same without the place: for what is wrong with the user's files, not with the script. */
void throw_plain(lua_State *lua, const char *format, ...) PRINTF_LIKE(2, 3)
    __attribute__((noreturn));
struct span lua_span(lua_State *lua, int index); /* of a string; lives as long as Lua keeps it */
void push_span(lua_State *lua, struct span span);
int absolute(lua_State *lua, int index);
/* Whether a number is a whole one from 0 to 2^53. */
bool whole_number(double value);

/* Checks the value at the top of the stack against its row: throws "WHERE: 'name' must be …". */
void word_check(lua_State *lua, const struct script_word *word, const char *where);
/* Throws "WHERE: unknown field 'name' (did you mean …?)". */
void word_unknown(lua_State *lua, enum word_kind kind, const char *name, const char *where)
    __attribute__((noreturn));

/* ---- guard.c: calls of Lua from C from Lua … ---- */
void guard_open(struct script *script);
void guard_begin(struct script *script);
void guard_check(lua_State *lua);     /* throws where the C stack is nearly used up */
void guard_functions(lua_State *lua); /* has Lua's own functions look */
int guard_lua_check(lua_State *lua);

/* ---- walk.c: nested tables, with the path for messages ---- */
enum { WALK_DEPTH = 128 };

struct walk_step {
    const void *table;
    struct span key; /* the element's name, or … */
    double index;    /* … its number when the name is NULL */
};

struct walk {
    const char *root; /* what the outermost value is called: "body" */
    unsigned depth;
    struct walk_step steps[WALK_DEPTH];
};

/* Goes into the table at `index`; throws for a cycle or too deep a nesting. */
void walk_enter(lua_State *lua, struct walk *walk, int index);
void walk_name(struct walk *walk, struct span key); /* the element looked at now */
void walk_number(struct walk *walk, double index);
void walk_leave(struct walk *walk);
/* Throws "body.messages[2].content: …". */
void walk_throw(lua_State *lua, const struct walk *walk, const char *format, ...) PRINTF_LIKE(3, 4)
    __attribute__((noreturn));
/* "a function", "a table", … of the value at `index`, json.null told apart. */
const char *value_kind(lua_State *lua, int index);

/* ---- value.c: plain Lua data as bytes, to go from one state to another ---- */
void value_pack(lua_State *lua, int index, const char *root, struct buf *out);
void value_unpack(lua_State *lua, struct span packed); // -- value

/* ---- integers.c: 64-bit integers beyond 2^53, as FFI numbers ---- */
void integer_push_signed(lua_State *lua, int64_t value);    // -- number or int64_t
void integer_push_unsigned(lua_State *lua, uint64_t value); // -- number or uint64_t
/* "-12" for an FFI integer at `index`; false when it is other FFI data. */
bool integer_text(lua_State *lua, int index, char *out, size_t size);

/* ---- json_lua.c ---- */
void json_push_null(lua_State *lua); // -- null
bool json_is_null(lua_State *lua, int index);
void json_open(lua_State *lua, struct script *script);
/* Appends the value's JSON; throws with the path of what cannot be JSON, or past out's ceiling.
 * `option` is the one that sets the ceiling, with ", " behind it, or "". */
void json_encode(lua_State *lua, struct script *script, int index, const char *root,
                 const char *option, struct buf *out);
/* How values are read, as bits. */
enum {
    JSON_KEEP_NULL = 1, /* null fields become json.null, not nil */
    JSON_EXACT = 2,     /* numbers keep their text; Lua cannot reckon with them */
};
/* Pushes the value that begins with `token`; false (nothing pushed): json_error says why. */
bool json_push_value(lua_State *lua, struct json *json, enum json_token token, unsigned how);
/* Pushes the text's value, or false with script->reader's error. */
bool json_push_text(lua_State *lua, struct script *script, struct span text, unsigned how);
/* Pushes what json_encode writes as `digits`, the text of a JSON number. */
void json_push_exact(lua_State *lua, struct span digits); // -- number
const char *json_text_error(struct script *script);

/* ---- opts_lua.c: options by name; NULL or false where the table lacks them or has no value ----
 */
const char *opts_text(const struct opt_set *set, const char *name);
const struct list *opts_list(const struct opt_set *set, const char *name);
bool opts_flag(const struct opt_set *set, const char *name);
bool opts_integer(const struct opt_set *set, const char *name, int64_t *value);

/* ---- option_rows.c ---- */
/* Appends the rows that the table at `index`, the field `options` of `where` ("mine.lua"), makes;
 * throws for what is wrong with them. `own`: the table whose names are taken; `group`: their
 * heading in the help. For an experiment's options too. */
void option_rows_take(lua_State *lua, int index, const char *where, const char *group,
                      const struct opt_set *own, struct script_options *out);

/* ---- template.c ---- */
/* What stands for %m and %p; NULL data: that mark stays as it is. */
struct fill {
    struct span model, prompt;
};
/* Pushes a copy of the value with the marks replaced in every string value, names left alone. */
void template_push(lua_State *lua, struct script *script, int index, const struct fill *fill);
/* Whether a string value at any depth holds %MARK. */
bool template_has(lua_State *lua, int index, char mark);

/* ---- prompt.c ---- */
/* Pushes what build_request is given of the item: a list of messages, or one string. */
void messages_push(lua_State *lua, struct script *script, int item); // -- messages
/* Whether that is one message of text: nothing is lost when only its text is used. */
bool messages_single(lua_State *lua, int messages);
/* Pushes the text of the last user message (without one, of the last message); nil = no text. */
void prompt_push(lua_State *lua, struct script *script, int messages); // -- text
/* Whether the item's prompt is as long as --min-prompt-length and its kin want it. */
bool prompt_fits(lua_State *lua, struct script *script, int item);

/* ---- tokenizer_lua.c ---- */
/* The text's tokens without special ones; throws when there is no tokenizer or it fails. */
uint64_t tokenizer_count_of(lua_State *lua, struct script *script, struct span text);
void tokenizer_close(struct script *script);

/* ---- merge.c ---- */
/* Reads the options for the body; before `opts` is made. */
void merge_read(lua_State *lua, struct script *script, void *arg);
/* "--temperature, --extra-args": those given, appended. */
void merge_names(const struct script *script, struct buf *names);
/* Replaces the table at the top by a copy with everything merged in. */
void merge_body(lua_State *lua, struct script *script, int item, int messages);

/* ---- metrics.c ---- */
/* Reads and checks the API's own metrics. -- api */
void metrics_read(lua_State *lua, struct script *script);

/* ---- the rest ---- */
void dataset_open(lua_State *lua);
void modules_open(lua_State *lua, struct script *script);
void opts_push(lua_State *lua, struct script *script); // -- opts
/* The value of a row that has one, as Lua sees it. */
void opt_push(lua_State *lua, const struct opt_set *set, const struct opt_row *row); // -- value
/* A script without a state yet; by script_close. */
struct script *script_new(const struct script_config *config);
/* Pushes the compiled chunk, or throws what is wrong with the text. -- chunk */
void source_push(lua_State *lua, const struct source *source);
/* Loads, checks and describes the scripts. */
bool load_scripts(struct script *script, const struct script_config *config,
                  struct err *err) MUST_CHECK;
/* Pushes the compiled chunk of a module for require, or a message. */
int require_find(lua_State *lua);
/* The composer's URL and headers; registers secrets. */
bool target_open(struct script *script, const struct script_config *config,
                 struct err *err) MUST_CHECK;
/* Begins the data and takes its first item, so that an empty data set shows at the start. */
bool items_open(struct script *script, struct err *err) MUST_CHECK;
/* Puts the data set and the number of the item in hand before the sentence; always false. */
bool items_blame(const struct script *script, struct err *err);
/* Says how many items were left out. */
void items_report(const struct script *script);
/* Has the next item in SLOT_ITEM; *end: there is none. */
bool items_next(struct script *script, bool *end, struct err *err) MUST_CHECK;
/* Puts a header into the lines, in place of one of the same name. False: err says what is wrong
 * with it. */
bool header_put(struct list *lines, struct span name, struct span value,
                struct err *err) MUST_CHECK;
/* Throws unless setup or refresh is running; `what` names what would block. */
void only_where_blocking(lua_State *lua, const char *what);
/* Pushes header lines as a table by lower-case name. -- headers */
void headers_push(lua_State *lua, struct script *script, struct span lines);
/* Adds the field `headers` of the table at `index` to the lines: a map or a list of "Name: value".
 */
void headers_take(lua_State *lua, struct list *lines, int index, const char *where);
/* Stores the value at the top in the table below it under the API's own word for a sampling
 * option. -- table value → -- table */
void param_put(lua_State *lua, const char *key);
/* "Name: value", or "Name=value" as some wrappers have it. */
bool header_put_line(struct list *lines, struct span line, struct err *err) MUST_CHECK;
bool header_name_valid(struct span name);
/* ---- shared_lua.c ---- */
void shared_push(lua_State *lua, const struct counter *counters, size_t count); // -- shared
/* A number below 2^53 made of the run's seed and the arrival. */
double script_seed(const struct script *script, uint64_t index);
/* Pushes a fresh ctx with setup, index, stage and seed. */
void ctx_push(lua_State *lua, const struct script *script, uint64_t index, uint32_t stage);
