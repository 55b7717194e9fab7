#include "model/outcome.h"

#include <stddef.h>

static const struct {
    const char *name, *meaning;
} outcomes[] = {
    [OUTCOME_OK] = {"ok", "the answer came complete, with text and without an error event"},
    [OUTCOME_CONNECT_FAILED] = {"connect_failed", "no connection could be made"},
    [OUTCOME_TLS_FAILED] = {"tls_failed",
                            "the TLS handshake failed or the certificate was not trusted"},
    [OUTCOME_TIMEOUT_CONNECT] = {"timeout_connect", "no connection within the connect timeout"},
    [OUTCOME_TIMEOUT_READ] = {"timeout_read",
                              "nothing arrived for as long as the read timeout allows"},
    [OUTCOME_TIMEOUT_TOTAL] = {"timeout_total",
                               "the answer was not complete within the total timeout"},
    [OUTCOME_SEND_FAILED] = {"send_failed", "the request could not be sent"},
    [OUTCOME_RESET] = {"reset", "the connection broke before the answer was complete"},
    [OUTCOME_HTTP_4XX] = {"http_4xx", "the server refused the request with a 4xx other than 429"},
    [OUTCOME_HTTP_429] = {"http_429", "the server said that there were too many requests"},
    [OUTCOME_HTTP_5XX] = {"http_5xx", "the server failed with a 5xx"},
    [OUTCOME_HTTP_OTHER] = {"http_other", "the status was neither 2xx, 4xx nor 5xx"},
    [OUTCOME_STREAM_ERROR] = {"stream_error", "an error event came inside a 200 answer"},
    [OUTCOME_TRUNCATED] = {"truncated", "the answer ended without its end marker or finish reason"},
    [OUTCOME_EMPTY] = {"empty", "the answer came complete but had no text"},
    [OUTCOME_BAD_RESPONSE] = {"bad_response", "the answer was not what the protocol says"},
    [OUTCOME_TOO_LARGE] = {"too_large", "the answer went past a stated ceiling"},
    [OUTCOME_SCRIPT_ERROR] = {"script_error",
                              "a hook of the script failed on this request or its answer"},
    [OUTCOME_CANCELLED] = {"cancelled",
                           "ended by the operator or by the end of the run; neither success nor "
                           "failure"},
};

_Static_assert(sizeof outcomes / sizeof *outcomes == OUTCOME_COUNT, "a row for each outcome");

const char *outcome_name(enum outcome outcome)
{
    return outcomes[outcome].name;
}

const char *outcome_meaning(enum outcome outcome)
{
    return outcomes[outcome].meaning;
}

bool outcome_is_failure(enum outcome outcome)
{
    return outcome != OUTCOME_OK && outcome != OUTCOME_CANCELLED;
}

enum outcome outcome_of_status(int status)
{
    if (status == 429)
        return OUTCOME_HTTP_429;
    switch (status / 100) {
    case 2: return OUTCOME_OK;
    case 4: return OUTCOME_HTTP_4XX;
    case 5: return OUTCOME_HTTP_5XX;
    default: return OUTCOME_HTTP_OTHER;
    }
}
