/* `llmbench mock --fault`: what the server does wrong, and to which requests. One table holds the
 * faults with the outcome that a client should name; what each sends stands in faults/NAME.scenario
 * or is what a URL parameter asks for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "mock/scenario.h"

struct mock_fault {
    const char *name;
    const char *outcome; /* of the request, as llmbench names it */
    const char *meaning; /* "the server …" */
    const char *query;   /* as URL parameters say it, or NULL: it has a scenario */
    const char *plain;   /* the scenario for answers that are not streamed; NULL = the same as for
                            streams */
    uint32_t least;      /* tokens that the answer must have, whatever the request says */
    bool kept;           /* only on a connection that has had an answer */
    bool streams;        /* only answers that are streamed */
};

enum { MOCK_FAULTS_MOST = 64 }; /* rows */

extern const struct mock_fault mock_fault_rows[];
extern const size_t mock_fault_count;

const struct mock_fault *mock_fault_find(struct span name); /* NULL = there is none */
/* Whether it can befall such an answer. `kept`: its connection has had an answer before. */
bool mock_fault_fits(const struct mock_fault *fault, bool streamed, bool kept);

/* One that was asked for. */
struct mock_fault_use {
    const struct mock_fault *row;
    double share;                       /* of the requests */
    struct mock_scenario stream, plain; /* without steps: the row has a query */
};

struct mock_faults {
    struct mock_fault_use *uses;
    size_t count;
};

/* Adds "NAME" (every request) or "NAME:SHARE" ("0.05", "5%"). The shares may add up to 1: a request
 * has one fault at most. What failed is good for mock_faults_fini alone. */
bool mock_faults_add(struct mock_faults *faults, const char *text, struct err *err) MUST_CHECK;
/* Every one, in the order of the rows. */
bool mock_faults_add_all(struct mock_faults *faults, struct err *err) MUST_CHECK;
void mock_faults_fini(struct mock_faults *faults);

/* The fault of a request, or NULL; the same seed and number give the same. */
const struct mock_fault_use *mock_faults_pick(const struct mock_faults *faults, uint64_t seed,
                                              uint64_t request, bool streamed, bool kept);

/* The table, a line each. */
void mock_faults_list(struct buf *out);
