#include "run/worker.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "model/run_spec.h"
#include "run/pin.h"
#include "run/preconnect.h"
#include "run/waiting.h"

enum {
    PAUSE_DOUBLINGS = 7, /* from the least pause to the longest */
    STARTS_A_TURN = 64,  /* then the loop gets a turn, so that a burst does not delay reads */
};
static const uint64_t PAUSE_LEAST_NS = 10 * NS_PER_MS, PAUSE_MOST_NS = NS_PER_S;
static const uint64_t HOLD_RETRY_NS = NS_PER_MS; /* how soon a held start looks again */
static const size_t WEIGH_BYTES = (size_t)1
                                  << 20; /* that may come before the ceiling is looked at */

struct worker {
    struct line *line;
    uint32_t number;
    uint64_t head_limit, body_limit; /* bytes of an answer */
    struct loop *loop;
    struct http *http;
    struct alarm *alarm;
    uint64_t alarm_ns; /* what it is set to; 0 = not set */
    struct queue_waiter waiter;

    uint64_t *free_since; /* ring: the moments at which slots became free, oldest first */
    size_t slots, free_first, free_count;
    struct waiting waiting; /* closed loop: taken from the queue, not due yet; each holds a slot */
    struct request *next;   /* open loop: taken from the queue, not started yet */
    unsigned connects_failed; /* in a row */
    struct preconnect preconnect;
    size_t unweighed; /* bytes added to what is in flight since the ceiling was looked at */
    bool begun, holding, cancelling, counted;
    bool handed;   /* since the scorers were woken last */
    bool starving; /* the oldest free slot found no request ready */

    uint64_t cpu_at_start_ns;
    struct worker_facts facts;
};

/* ---- slots ---- */

static uint64_t *slot_at(struct worker *worker, size_t place)
{
    return &worker->free_since[(worker->free_first + place) % worker->slots];
}

/* Keeps the order: during a ramp-up slots that come into being later stand behind. */
static void slot_free(struct worker *worker, uint64_t at_ns)
{
    size_t place = worker->free_count++;
    for (; place > 0 && *slot_at(worker, place - 1) > at_ns; place--)
        *slot_at(worker, place) = *slot_at(worker, place - 1);
    *slot_at(worker, place) = at_ns;
}

static uint64_t slot_take(struct worker *worker)
{
    uint64_t since = *slot_at(worker, 0);
    worker->free_first = (worker->free_first + 1) % worker->slots;
    worker->free_count--;
    return since;
}

/* ---- the weight of what is in flight ---- */

static bool worker_grown(void *arg, size_t bytes)
{
    struct worker *worker = arg;
    atomic_fetch_add(&worker->line->in_flight_bytes, bytes);
    worker->unweighed += bytes;
    if (worker->unweighed < WEIGH_BYTES)
        return true;
    worker->unweighed = 0;
    return line_weigh(worker->line);
}

/* ---- ending an exchange ---- */

static void worker_hand_on(struct worker *worker, struct exchange *exchange)
{
    struct line *line = worker->line;
    size_t bytes = exchange_bytes(exchange);
    worker->handed = true;
    if (!queue_push_quietly(line->finished, exchange, bytes))
        exchange_free(exchange); /* only when the line has been given up */
    atomic_fetch_sub(&line->in_flight_bytes, bytes);
}

/* Scorers are woken once for all that has ended in a turn of the loop. */
static void worker_rest(void *arg)
{
    struct worker *worker = arg;
    if (worker->handed)
        queue_nudge(worker->line->finished);
    worker->handed = false;
}

static void worker_broken(struct worker *worker, struct exchange *exchange, enum outcome fault,
                          const char *sentence)
{
    exchange->finish = FINISH_BROKEN;
    exchange->fault = fault;
    exchange->error = mem_text(sentence);
    exchange->end_ns = clock_now_ns();
    slot_free(worker, exchange->end_ns);
    worker_hand_on(worker, exchange);
}

static void worker_turn(struct worker *worker);

static bool never_connected(const struct exchange *exchange)
{
    return exchange->finish == FINISH_BROKEN &&
           (exchange->fault == OUTCOME_CONNECT_FAILED || exchange->fault == OUTCOME_TLS_FAILED);
}

/* A dead server refuses thousands of connections a second: each failure in a row keeps its slot
 * back for twice as long, up to a second, so that the data is not burnt in a moment. */
static uint64_t worker_pause_ns(struct worker *worker, const struct exchange *exchange)
{
    if (!never_connected(exchange)) {
        if (exchange->status)
            worker->connects_failed = 0;
        return 0;
    }
    uint64_t rounds = worker->connects_failed++ / worker->slots;
    worker->facts.paused++;
    return rounds < PAUSE_DOUBLINGS ? PAUSE_LEAST_NS << rounds : PAUSE_MOST_NS;
}

/* One of --preconnect: it was never counted as started. */
static void worker_connected(struct worker *worker, struct exchange *exchange)
{
    atomic_fetch_sub(&worker->line->in_flight_bytes, exchange_answer_bytes(exchange));
    preconnect_ended(&worker->preconnect, exchange);
    if (!http_more_to_end(worker->http))
        worker_turn(worker);
}

static void worker_ended(void *arg, struct exchange *exchange)
{
    struct worker *worker = arg;
    if (!worker->preconnect.over) {
        worker_connected(worker, exchange);
        return;
    }
    line_ended(worker->line);
    slot_free(worker, exchange->end_ns + worker_pause_ns(worker, exchange));
    worker_hand_on(worker, exchange);
    if (!http_more_to_end(worker->http))
        worker_turn(worker);
}

/* ---- starting ---- */

static void worker_start(struct worker *worker, struct request *request, uint64_t due_ns,
                         uint64_t slot_wait_ns)
{
    struct exchange *exchange = exchange_new(request, worker->head_limit, worker->body_limit);
    struct err err;
    worker_grown(worker, exchange_bytes(exchange));
    atomic_fetch_add(&worker->line->begun, 1);
    exchange->worker = worker->number;
    exchange->due_ns = due_ns;
    exchange->capped = worker->line->plan->shape == PLAN_OPEN && worker->line->plan->capped;
    exchange->slot_wait_ns = exchange->capped ? slot_wait_ns : 0;
    if (request->fault) {
        worker_broken(worker, exchange, OUTCOME_SCRIPT_ERROR, request->fault);
        return;
    }
    exchange->started_ns = clock_now_ns();
    if (http_start(worker->http, exchange, &err)) {
        line_started(worker->line, exchange->started_ns);
        return;
    }
    exchange->started_ns = 0;
    worker_broken(worker, exchange, OUTCOME_CONNECT_FAILED, err.text);
}

/* Time that passed because no request was ready. */
static void worker_starved(struct worker *worker, uint64_t since_ns, uint64_t now)
{
    if (!worker->starving)
        return;
    worker->starving = false;
    if (now <= since_ns)
        return;
    worker->facts.starved++;
    worker->facts.starved_ns += now - since_ns;
}

/* A free slot has got its request: start it, or let it wait for its time. */
static void worker_place(struct worker *worker, struct request *request)
{
    uint64_t since = slot_take(worker);
    uint64_t due_ns = since + request->delay_ns;
    uint64_t now = clock_now_ns();
    worker_starved(worker, since, now);
    if (due_ns > now)
        waiting_add(&worker->waiting, due_ns, request);
    else
        worker_start(worker, request, due_ns, 0);
}

/* Scorers or the database are behind: a closed loop starts fewer requests. */
static bool worker_held(struct worker *worker)
{
    bool over = queue_over(worker->line->finished);
    if (over && !worker->holding) {
        worker->facts.held++;
        worker->facts.held_outputs += queue_over(worker->line->samples);
    }
    worker->holding = over;
    return over;
}

static struct request *worker_draw(struct worker *worker)
{
    struct queue *ready = worker->line->ready;
    struct request *request = queue_take_or_watch(ready, &worker->waiter);
    if (!request)
        worker->starving = !queue_finished(ready);
    else if (atomic_load(&worker->line->composer_left) && queue_finished(ready))
        line_wake_all(worker->line); /* the last one: others may have nothing to wait for */
    return request;
}

static bool slot_is_free(struct worker *worker)
{
    return worker->free_count && *slot_at(worker, 0) <= clock_now_ns();
}

/* Closed loop: what has waited for its time, then a request for each free slot. */
static bool worker_start_closed(struct worker *worker)
{
    unsigned starts = 0;
    while (worker->waiting.count && waiting_next_ns(&worker->waiting) <= clock_now_ns()) {
        if (starts++ == STARTS_A_TURN)
            return true;
        struct waiting_entry next = waiting_pop(&worker->waiting);
        worker_start(worker, next.request, next.due_ns, 0);
    }
    while (slot_is_free(worker) && !worker_held(worker)) {
        if (starts++ == STARTS_A_TURN)
            return true;
        struct request *request = worker_draw(worker);
        if (!request)
            return false;
        worker_place(worker, request);
    }
    return false;
}

static uint64_t next_due_ns(const struct worker *worker)
{
    return atomic_load(&worker->line->start_ns) + worker->next->due_offset_ns;
}

/* Open loop: draws one request at a time, and only with a free slot for it, so that no worker keeps
 * one back that another could start. */
static bool worker_start_open(struct worker *worker)
{
    unsigned starts = 0;
    while (worker->next || (slot_is_free(worker) && !worker_held(worker))) {
        if (!worker->next && !(worker->next = worker_draw(worker)))
            return false;
        uint64_t due_ns = next_due_ns(worker), now = clock_now_ns();
        uint64_t since_ns = *slot_at(worker, 0) > due_ns ? *slot_at(worker, 0) : due_ns;
        worker_starved(worker, since_ns, now);
        if (due_ns > now)
            return false;
        if (starts++ == STARTS_A_TURN)
            return true;
        struct request *request = worker->next;
        uint64_t since = slot_take(worker);
        worker->next = NULL;
        worker_start(worker, request, due_ns, since > due_ns ? since - due_ns : 0);
    }
    return false;
}

/* Starts what is due. True when there may be more to start at once. */
static bool worker_start_due(struct worker *worker)
{
    return worker->line->plan->shape == PLAN_OPEN ? worker_start_open(worker)
                                                  : worker_start_closed(worker);
}

/* ---- stopping ---- */

static uint32_t slots_free_by(struct worker *worker, uint64_t at_ns)
{
    uint32_t free_slots = 0;
    while (free_slots < worker->free_count && *slot_at(worker, free_slots) <= at_ns)
        free_slots++;
    return free_slots;
}

/* Closed loop: arrivals whose time had come when starting stopped, and that never started. (Those
 * of an open loop are known from the plan.) */
static void worker_count_not_started(struct worker *worker, uint64_t stop_ns)
{
    uint64_t not_started = 0;
    if (worker->counted)
        return;
    worker->counted = true;
    for (size_t i = 0; i < worker->waiting.count; i++)
        not_started += worker->waiting.entries[i].due_ns < stop_ns;
    if (worker->starving || worker->holding)
        not_started += slots_free_by(worker, stop_ns);
    worker->starving = worker->holding = false;
    if (worker->line->plan->shape == PLAN_CLOSED)
        atomic_fetch_add(&worker->line->not_started, not_started);
}

static void worker_cancel(struct worker *worker)
{
    if (worker->cancelling)
        return;
    worker->cancelling = true;
    http_cancel_all(worker->http);
}

/* True when the run has stopped starting. */
static bool worker_stopping(struct worker *worker)
{
    struct line *line = worker->line;
    uint64_t deadline_ns = line_deadline_ns(worker->line);
    if (clock_now_ns() >= deadline_ns)
        line_stop(line, RUN_END_DURATION, deadline_ns);
    uint64_t stop_ns = atomic_load(&line->stop_ns);
    if (!stop_ns)
        return false;
    worker_count_not_started(worker, stop_ns);
    if (atomic_load(&line->cancelled) || clock_now_ns() >= stop_ns + line->plan->grace_ns)
        worker_cancel(worker);
    return true;
}

static bool worker_done(struct worker *worker, bool stopping)
{
    if (http_in_flight(worker->http))
        return false;
    if (stopping)
        return true;
    return !worker->waiting.count && !worker->next && queue_finished(worker->line->ready);
}

/* ---- the turn ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When something is due by itself while the run goes on. */
static uint64_t worker_due_ns(struct worker *worker)
{
    uint64_t at_ns = earlier(waiting_next_ns(&worker->waiting), line_deadline_ns(worker->line));
    if (worker->next)
        at_ns = earlier(at_ns, next_due_ns(worker));
    else if (worker->free_count && *slot_at(worker, 0) > clock_now_ns())
        at_ns = earlier(at_ns, *slot_at(worker, 0));
    bool retry = worker->holding && slot_is_free(worker);
    return retry ? earlier(at_ns, clock_now_ns() + HOLD_RETRY_NS) : at_ns;
}

/* Sets the alarm to the next moment at which something has to happen by itself. */
static void worker_set_alarm(struct worker *worker, bool stopping)
{
    uint64_t at_ns = UINT64_MAX;
    if (!stopping)
        at_ns = worker_due_ns(worker);
    else if (!worker->cancelling)
        at_ns = atomic_load(&worker->line->stop_ns) + worker->line->plan->grace_ns;
    if (at_ns == UINT64_MAX)
        at_ns = 0;
    if (at_ns != worker->alarm_ns)
        alarm_set(worker->alarm, at_ns);
    worker->alarm_ns = at_ns;
}

static void worker_begin(struct worker *worker)
{
    uint64_t start_ns = atomic_load(&worker->line->start_ns);
    worker->begun = true;
    worker->cpu_at_start_ns = clock_thread_cpu_ns();
    for (uint32_t i = 0; i < worker->slots; i++) {
        uint64_t spawn_ns = plan_spawn_ns(worker->line->plan, worker->number, i);
        uint64_t elapsed_ns = worker->line->elapsed_ns;
        slot_free(worker, start_ns + (spawn_ns > elapsed_ns ? spawn_ns : elapsed_ns));
    }
}

/* Opens connections before the stage begins; true once that is over. */
static bool worker_preconnect(struct worker *worker)
{
    struct preconnect *preconnect = &worker->preconnect;
    struct line *line = worker->line;
    if (preconnect->over)
        return true;
    if (preconnect_turn(preconnect, line_stopped(line)))
        loop_wake(worker->loop);
    if (!preconnect->over) {
        worker->alarm_ns = preconnect->until_ns;
        alarm_set(worker->alarm, preconnect->until_ns);
        return false;
    }
    loop_forget_lag(worker->loop);
    worker->facts.preconnect_asked = preconnect->asked;
    worker->facts.preconnected = preconnect->open;
    if (atomic_fetch_sub(&line->connecting, 1) == 1)
        queue_close(line->connected);
    return true;
}

static void worker_turn(struct worker *worker)
{
    if (!worker_preconnect(worker))
        return;
    if (!worker->begun) {
        if (!atomic_load(&worker->line->start_ns)) {
            if (line_stopped(worker->line))
                loop_stop(worker->loop);
            return;
        }
        worker_begin(worker);
    }
    bool stopping = worker_stopping(worker);
    if (!stopping && worker_start_due(worker))
        loop_wake(worker->loop);
    worker_set_alarm(worker, stopping);
    if (worker_done(worker, stopping))
        loop_stop(worker->loop);
}

static void worker_woken(void *arg)
{
    worker_turn(arg);
}

static void worker_alarmed(void *arg)
{
    struct worker *worker = arg;
    worker->alarm_ns = 0;
    worker_turn(worker);
}

/* ---- life ---- */

struct worker *worker_new(struct line *line, uint32_t number, const struct http_config *http,
                          const struct run_spec *spec, struct err *err)
{
    struct worker *worker = MEM_NEW(struct worker);
    worker->line = line;
    worker->number = number;
    worker->head_limit = spec->max_header_bytes;
    worker->body_limit = spec->max_response_bytes;
    worker->slots = plan_slots(line->plan, number);
    worker->free_since = mem_zero(worker->slots, sizeof *worker->free_since);
    struct http_config config = *http;
    config.connections = (uint32_t)worker->slots;
    config.on_grown = worker_grown;
    if (!(worker->loop = loop_new(err)) ||
        !(worker->alarm = alarm_new(worker->loop, worker_alarmed, worker, err)) ||
        !(worker->http = http_new(worker->loop, &config, worker_ended, worker, err))) {
        worker_free(worker);
        return NULL;
    }
    worker->preconnect = (struct preconnect){
        .http = worker->http,
        .url = line->preconnect_url,
        .log = line->log,
        .asked = (uint32_t)worker->slots,
        .over = !line->preconnect_url,
    };
    worker->waiter = (struct queue_waiter){.wake = loop_wake, .arg = worker->loop};
    loop_on_wake(worker->loop, worker_woken, worker);
    loop_on_rest(worker->loop, worker_rest, worker);
    return worker;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    queue_unwatch(worker->line->ready, &worker->waiter);
    waiting_fini(&worker->waiting);
    request_free(worker->next);
    if (worker->http)
        http_free(worker->http);
    if (worker->alarm)
        alarm_free(worker->alarm);
    if (worker->loop)
        loop_free(worker->loop);
    free(worker->free_since);
    free(worker);
}

struct line_listener worker_listener(struct worker *worker)
{
    return (struct line_listener){.wake = loop_wake, .arg = worker->loop};
}

void *worker_run(void *arg)
{
    struct worker *worker = arg;
    uint64_t waited_ns = clock_thread_wait_ns();
    pin_worker(worker->line->pin, worker->number, worker->line->log);
    worker_turn(worker); /* the release may have come before this thread */
    loop_run(worker->loop);
    worker_rest(worker);
    worker->facts.wait_ns = clock_thread_wait_ns();
    if (worker->facts.wait_ns != UINT64_MAX)
        worker->facts.wait_ns -= waited_ns;
    worker->facts.no_descriptor = http_no_descriptor(worker->http);
    worker->facts.cpu_ns = clock_thread_cpu_ns() - worker->cpu_at_start_ns;
    worker->facts.loop_lag = loop_lag(worker->loop);
    worker->facts.clock = http_clock(worker->http);
    if (atomic_fetch_sub(&worker->line->workers_left, 1) == 1)
        queue_close(worker->line->finished);
    return NULL;
}

struct worker_facts worker_facts(const struct worker *worker)
{
    return worker->facts;
}

void worker_give_back(struct worker *worker, void (*give)(void *arg, struct request *request),
                      void *arg)
{
    while (worker->waiting.count)
        give(arg, waiting_pop(&worker->waiting).request);
    if (worker->next)
        give(arg, worker->next);
    worker->next = NULL;
}

uint64_t worker_reads(const struct worker *worker)
{
    return http_reads(worker->http);
}
