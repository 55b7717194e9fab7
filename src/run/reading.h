/* Reading one answer: events one after another through the API script into the sample. Used by
 * answer.c. */
#pragma once

#include "model/sample.h"
#include "script/script.h"

enum {
    READING_CHOICES = 128, /* choices whose text is kept apart */
    TOKENS_MOST = 1000000, /* that one event may carry */
};

/* What a choice says, each kind for itself; refusals and tool calls are kept for the tokenizer. */
enum text_kind { TEXT_CONTENT, TEXT_REASONING, TEXT_REFUSAL, TEXT_TOOL, TEXT_KINDS };

struct choice {
    struct buf text[TEXT_KINDS];
};

/* An event brought a piece of a text, which is so long since then. */
struct text_step {
    uint32_t event;
    uint32_t stream; /* choice · TEXT_KINDS + kind */
    size_t len;
};

struct answer_watch;

struct reading {
    struct script *script;
    const struct answer_watch *watch; /* NULL = nobody looks on */
    struct exchange *exchange;
    struct sample *sample;
    size_t event_cap;
    size_t mark; /* where exchange_mark_of goes on */

    struct span *payloads; /* for parse_responses: data events but the one marked done */
    size_t payload_count, payload_cap;
    struct span *stored; /* for the database: these and the end marker */
    size_t stored_count, stored_cap;
    char **copies; /* payloads that do not lie in the body */
    size_t copy_count, copy_cap;

    struct choice *choices; /* text by choice index */
    size_t choice_count;
    bool counting;           /* the tokenizer will want the steps */
    bool tokens_said;        /* the script says how many tokens events carry */
    struct text_step *steps; /* owned */
    size_t step_count, step_cap;

    struct usage usage;
    char *error;                  /* of an error event, owned */
    char *script_error;           /* a hook's, owned */
    bool done;                    /* the end marker was seen */
    uint64_t understood, unknown; /* events */
};

void reading_init(struct reading *reading, struct script *script, struct sample *sample);
void reading_begin(struct reading *reading);
void reading_event(struct reading *reading, struct span data, struct span name, uint64_t last_byte);
void reading_fault(struct reading *reading, const struct err *err); /* a hook failed */
void reading_ping(struct reading *reading, struct span data, uint64_t last_byte);
void reading_finish(struct reading *reading); /* what can only be said when all events are known */
void reading_fini(struct reading *reading);
