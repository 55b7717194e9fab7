/* How an exchange ended: exactly one of these. The only list of them; names appear in reports,
 * database and docs. */
#pragma once

#include <stdbool.h>

enum outcome {
    OUTCOME_OK,
    OUTCOME_CONNECT_FAILED,
    OUTCOME_TLS_FAILED,
    OUTCOME_TIMEOUT_CONNECT,
    OUTCOME_TIMEOUT_READ,
    OUTCOME_TIMEOUT_TOTAL,
    OUTCOME_SEND_FAILED,
    OUTCOME_RESET,
    OUTCOME_HTTP_4XX,
    OUTCOME_HTTP_429,
    OUTCOME_HTTP_5XX,
    OUTCOME_HTTP_OTHER,
    OUTCOME_STREAM_ERROR,
    OUTCOME_TRUNCATED,
    OUTCOME_EMPTY,
    OUTCOME_BAD_RESPONSE,
    OUTCOME_TOO_LARGE,
    OUTCOME_SCRIPT_ERROR,
    OUTCOME_CANCELLED,
    OUTCOME_COUNT
};

const char *outcome_name(enum outcome outcome);    /* "http_4xx" */
const char *outcome_meaning(enum outcome outcome); /* one sentence for reports and docs */
bool outcome_is_failure(enum outcome outcome);     /* neither ok nor cancelled */
enum outcome outcome_of_status(int status);        /* 2xx → OUTCOME_OK */
