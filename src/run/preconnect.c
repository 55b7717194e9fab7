#include "run/preconnect.h"

#include "base/clock.h"
#include "base/mem.h"

enum { STARTS_A_TURN = 64, ANSWER_LIMIT = 1 << 20 };
static const uint64_t PATIENCE_NS = 10 * NS_PER_S;

/* The first failure of each worker is told, the others are like it. */
static void failed(struct preconnect *preconnect, const char *sentence)
{
    if (!preconnect->told)
        log_warn(preconnect->log, "--preconnect: GET %s: %s", preconnect->url, sentence);
    preconnect->told = true;
}

static struct exchange *cheap_exchange(const struct preconnect *preconnect)
{
    struct request *request = MEM_NEW(struct request);
    request->url = mem_text(preconnect->url);
    request->method = mem_text("GET");
    struct exchange *exchange = exchange_new(request, EXCHANGE_HEAD_MOST, ANSWER_LIMIT);
    exchange->fresh = true;
    exchange->started_ns = clock_now_ns();
    return exchange;
}

static void start_one(struct preconnect *preconnect)
{
    struct exchange *exchange = cheap_exchange(preconnect);
    struct err err;
    preconnect->started++;
    if (http_start(preconnect->http, exchange, &err))
        return;
    failed(preconnect, err.text);
    exchange_free(exchange);
    preconnect->ended++;
}

static void stop_waiting(struct preconnect *preconnect)
{
    if (!preconnect->stopped)
        http_cancel_all(preconnect->http);
    preconnect->stopped = true;
}

bool preconnect_turn(struct preconnect *preconnect, bool stop)
{
    if (!preconnect->until_ns)
        preconnect->until_ns = clock_now_ns() + PATIENCE_NS;
    if (stop || clock_now_ns() >= preconnect->until_ns)
        stop_waiting(preconnect);
    for (int i = 0; i < STARTS_A_TURN && preconnect->started < preconnect->asked; i++)
        if (!preconnect->stopped)
            start_one(preconnect);
    bool more = !preconnect->stopped && preconnect->started < preconnect->asked;
    preconnect->over = !more && preconnect->ended == preconnect->started;
    if (preconnect->over)
        preconnect->open = http_open_connections(preconnect->http);
    return more;
}

void preconnect_ended(struct preconnect *preconnect, struct exchange *exchange)
{
    preconnect->ended++;
    if (exchange->finish == FINISH_BROKEN)
        failed(preconnect, exchange->error);
    else if (exchange->finish == FINISH_CANCELLED && clock_now_ns() >= preconnect->until_ns)
        failed(preconnect, "no answer in time");
    exchange_free(exchange);
}
