/* Finished exchanges made by hand, for the tests of scoring. */
#pragma once

#include "base/mem.h"
#include "check.h"
#include "model/exchange.h"
#include "model/sample.h"

/* An answer whose body arrives in `pieces`, read i at time 1000 + i * 100; sent at 1000. */
static inline struct exchange *answered(int status, const char *type, const char *const *pieces)
{
    struct request *request = MEM_NEW(struct request);
    request->body = mem_text("{\"model\":\"m\"}");
    request->body_len = strlen(request->body);
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, 1 << 20);
    exchange->started_ns = 900;
    exchange->sent_ns = 1000;
    exchange->status = status;
    exchange->content_type = mem_text(type);
    exchange->finish = FINISH_COMPLETE;
    for (uint64_t i = 0; pieces[i]; i++) {
        assert_true(exchange_read(exchange, pieces[i], strlen(pieces[i]), 1000 + i * 100, 0));
        exchange->end_ns = 1000 + i * 100;
    }
    return exchange;
}

static inline char *kinds_of(const struct sample *sample)
{
    char *kinds = mem_zero(sample->event_count + 1, 1);
    for (size_t i = 0; i < sample->event_count; i++)
        kinds[i] = sample->events[i].kind;
    return kinds;
}
