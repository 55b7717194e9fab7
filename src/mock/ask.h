/* What a request asks for, whatever its dialect: the ask, the refusal, and the readers of JSON
 * bodies that the dialects share. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct cJSON;
struct mock_voice;

/* An error answer, in no dialect yet. */
struct mock_refusal {
    int status;       /* what is wrong, as an HTTP status; counted under it in /stats */
    int sent_status;  /* what the HTTP head says: the same, unless the dialect hides errors */
    bool event;       /* travels as an event of a stream */
    uint64_t request; /* number of the request, 0 = has none */
    const char *code; /* NULL = none */
    char param[80];   /* "" = none */
    char message[640];
};

/* Fills it and returns false. param and code may be NULL. */
bool mock_refuse(struct mock_refusal *no, int status, const char *code, const char *param,
                 const char *format, ...) PRINTF_LIKE(5, 6);

struct mock_ask {
    bool chat; /* messages, else a prompt */
    bool stream, include_usage, ignore_eos;
    bool whole;         /* every event repeats the text so far */
    bool message;       /* the answer is wished as a list of choices, not as a bare text */
    bool details;       /* the end of the answer is to tell more about it */
    uint32_t choices;   /* prompts × n */
    uint32_t per_event; /* tokens in one token event, at most */
    uint32_t least;     /* tokens even of an empty answer */
    uint32_t most;      /* tokens over all choices: more are refused */
    uint64_t prompt_tokens;
    int64_t max_tokens, min_tokens; /* -1 = not given */
    struct mock_voice *voice;       /* the server's; NULL = it counts its own words */
    char *model;                    /* owned; NULL = the request names none */
};

enum { MOCK_MAX_TOKENS = 1000000 }; /* of one answer, over all choices */

/* All but the voice, which whoever has the request read sets before. */
void mock_ask_init(struct mock_ask *ask, bool chat);
void mock_ask_fini(struct mock_ask *ask);

/* ---- fields of a JSON object ---- */

enum mock_kind {
    MOCK_IS_STRING = 1,
    MOCK_IS_INTEGER = 2,
    MOCK_IS_NUMBER = 4,
    MOCK_IS_BOOLEAN = 8,
    MOCK_IS_ARRAY = 16,
    MOCK_IS_OBJECT = 32,
    MOCK_IS_NULL = 64,
};

struct mock_field {
    const char *name;
    unsigned kinds;  /* what it may be: enum mock_kind */
    double min, max; /* of a number; both 0: no bounds */
    bool required;   /* must be there, and must not be null */
};

/* Messages name a field as `inside` followed by its name: "" or "parameters.". */
bool mock_check_fields(const struct cJSON *object, const char *inside,
                       const struct mock_field *fields, size_t count, struct mock_refusal *no);
unsigned mock_kind_of(const struct cJSON *item);
bool mock_wrong_type(struct mock_refusal *no, const char *param, unsigned wanted,
                     const struct cJSON *got);
bool mock_empty_array(struct mock_refusal *no, const char *param);

bool mock_field_true(const struct cJSON *object, const char *name);
int64_t mock_field_integer(const struct cJSON *object, const char *name, int64_t otherwise);
const char *mock_field_text(const struct cJSON *object, const char *name); /* NULL = no string */

/* ---- bodies ---- */

/* Has `read` fill the ask from the body's object. The body is taken strictly: valid UTF-8, one JSON
 * object and nothing after it. */
bool mock_read_body(struct span body,
                    bool (*read)(const struct cJSON *object, struct mock_ask *ask,
                                 struct mock_refusal *no),
                    struct mock_ask *ask, struct mock_refusal *no) MUST_CHECK;
/* Checks the field "messages", which is an array, and adds its texts to ask->prompt_tokens. */
bool mock_read_messages(const struct cJSON *object, const char *inside, struct mock_ask *ask,
                        struct mock_refusal *no) MUST_CHECK;
void mock_count_prompt(const char *text, struct mock_ask *ask);
