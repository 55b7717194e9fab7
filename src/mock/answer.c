#include "mock/answer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/mem.h"
#include "mock/dialect.h"
#include "mock/routes.h"
#include "mock/write.h"

#define FAR_NS (UINT64_MAX / 4) /* a time that never comes, and to which others can be added */

/* ---- the plan ---- */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the choices say, where a tokenizer decides on the tokens. */
static bool plan_speeches(struct mock_server *server, struct mock_answer *answer,
                          struct mock_refusal *no)
{
    if (!server->voice)
        return true;
    answer->speeches = mem_zero(answer->ask.choices, sizeof *answer->speeches);
    for (uint32_t i = 0; i < answer->ask.choices; i++)
        if (!mock_speech_make(server->voice, server->config->seed, answer->request, i,
                              answer->tokens, &answer->speeches[i]))
            return mock_refuse(no, 500, NULL, NULL,
                               "The mock server found no text of exactly %u tokens.",
                               answer->tokens);
    return true;
}

bool mock_answer_plan(struct mock_server *server, struct mock_conn *conn, struct mock_refusal *no)
{
    struct mock_answer *answer = &conn->answer;
    const struct mock_ask *ask = &answer->ask;
    uint64_t natural = answer->over.empty ? ask->least : (uint64_t)answer->over.tokens;
    uint64_t most = ask->max_tokens >= 0 ? (uint64_t)ask->max_tokens : UINT64_MAX;
    if (ask->min_tokens >= 0 && natural < (uint64_t)ask->min_tokens && !answer->over.empty)
        natural = (uint64_t)ask->min_tokens;
    if (ask->ignore_eos && ask->max_tokens >= 0 && !answer->over.empty)
        natural = most;
    uint64_t tokens = lesser(natural, most);
    bool lengthened = tokens < answer->least;
    if (lengthened)
        tokens = answer->least;
    if (tokens > ask->most / ask->choices)
        return mock_refuse(no, 400, "invalid_value", "max_tokens",
                           "The mock server's answers to such requests have at most %u tokens over "
                           "all choices.",
                           ask->most);
    answer->tokens = (uint32_t)tokens;
    answer->cut = !lengthened && (most < natural || (ask->ignore_eos && most == natural));
    return plan_speeches(server, answer, no);
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > FAR_NS ? FAR_NS : product;
}

/* ± the configured share, uniform. */
static uint64_t jittered(struct mock_server *server, struct mock_conn *conn, int64_t ns)
{
    double share = server->config->jitter;
    if (share <= 0 || ns <= 0)
        return (uint64_t)ns;
    double factor = 1 + share * (2 * rng_unit(&conn->progress.rng) - 1);
    return factor > 0 ? (uint64_t)((double)ns * factor) : 0;
}

/* ---- sending ---- */

/* Moves the event just written into the send in progress, as an HTTP chunk of its own. */
static void frame(struct mock_server *server, const struct mock_conn *conn)
{
    static const char digits[] = "0123456789abcdef";
    char size[18];
    size_t at = sizeof size;
    size[--at] = '\n';
    size[--at] = '\r';
    for (size_t len = server->event.len; len; len >>= 4)
        size[--at] = digits[len & 15];
    if (!conn->http.old)
        buf_add(&server->out, size + at, sizeof size - at);
    buf_add_span(&server->out, buf_span(&server->event));
    if (!conn->http.old)
        buf_add_text(&server->out, "\r\n");
    buf_clear(&server->event);
}

/* In random pieces, each a send of its own. */
static bool send_split(struct mock_server *server, struct mock_conn *conn, struct span rest)
{
    while (rest.len) {
        size_t len = (size_t)rng_below(&conn->progress.rng, 40) + 1;
        if (len > rest.len)
            len = rest.len;
        server->stats.sends++;
        if (!mock_conn_send(server, conn, span_of(rest.data, len)))
            return false;
        rest = span_of(rest.data + len, rest.len - len);
    }
    return true;
}

/* Sends what has been framed. False when the connection is dead. */
static bool send_out(struct mock_server *server, struct mock_conn *conn)
{
    struct span bytes = buf_span(&server->out);
    bool alive = true;
    if (!bytes.len)
        return alive;
    if (conn->answer.over.split) {
        alive = send_split(server, conn, bytes);
    } else {
        server->stats.sends++;
        alive = mock_conn_send(server, conn, bytes);
    }
    buf_clear(&server->out);
    return alive;
}

/* ---- start ---- */

/* The head goes out with the first thing that is sent. */
static void write_stream_head(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->progress.headed)
        return;
    conn->progress.headed = true;
    const char *type = mock_shape_of(server, conn)->stream_type;
    buf_printf(&server->out, "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncache-control: no-cache\r\n",
               type ? type : "text/event-stream");
    if (!conn->http.old)
        buf_add_text(&server->out, "transfer-encoding: chunked\r\n");
    if (conn->last)
        buf_add_text(&server->out, "connection: close\r\n");
    buf_add_text(&server->out, "\r\n");
}

/* `times` events of each choice; 0 = 1. */
static void add_events(struct mock_server *server, struct mock_conn *conn,
                       void (*write)(struct buf *, struct mock_answer *, uint32_t), uint32_t times)
{
    uint32_t each = times ? times : 1;
    for (uint32_t i = 0; i < conn->answer.ask.choices * each; i++) {
        write(&server->event, &conn->answer, i / each);
        frame(server, conn);
        server->stats.events++;
    }
}

/* Some answers open at once, as soon as the request has been read. */
static bool send_opening(struct mock_server *server, struct mock_conn *conn)
{
    const struct mock_shape *shape = mock_shape_of(server, conn);
    write_stream_head(server, conn);
    add_events(server, conn, shape->opening, shape->openings);
    return send_out(server, conn);
}

/* The first send is due with the last token that it carries. */
static uint64_t first_due_ns(struct mock_server *server, struct mock_conn *conn)
{
    const struct mock_answer *answer = &conn->answer;
    uint64_t tokens = answer->ask.stream ? mock_answer_in_event(answer, 0) : answer->tokens;
    uint64_t ttft_ns = jittered(server, conn, answer->over.ttft_ns);
    return answer->begun_ns + ttft_ns +
           times((uint64_t)answer->over.itl_ns, tokens > 1 ? tokens - 1 : 0);
}

static void prepare(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_answer *answer = &conn->answer;
    conn->progress = (struct mock_progress){0};
    rng_init(&conn->progress.rng,
             server->config->seed ^ (answer->request * UINT64_C(0x2545f4914f6cdd1d)));
    answer->seed = server->config->seed;
    answer->frames = answer->first_ns = 0;
    buf_init(&answer->prefix, SIZE_MAX / 2); /* bounded by the body, which holds the model's name */
    buf_init(&answer->said, SIZE_MAX / 2);   /* bounded by MOCK_MAX_TOKENS */
    mock_shape_of(server, conn)->prefix(answer, clock_wall_ns());
    conn->progress.due_ns = first_due_ns(server, conn);
}

void mock_answer_usual(struct mock_server *server, struct mock_conn *conn, uint64_t begun_ns)
{
    const struct mock_ask *ask = &conn->answer.ask;
    struct mock_progress *progress = &conn->progress;
    conn->answer.begun_ns = begun_ns;
    prepare(server, conn);
    server->stats.prompt_tokens += ask->prompt_tokens;
    if (ask->stream)
        server->stats.streams++;
    else
        server->stats.plain++;
    if (ask->stream && mock_shape_of(server, conn)->opening && !send_opening(server, conn))
        return;
    mock_answer_resume(server, conn);
    progress->late_by_client = false;
}

static void begin(struct mock_server *server, struct mock_conn *conn, uint64_t begun_ns)
{
    if (conn->answer.scenario)
        mock_scene_begin(server, conn);
    else
        mock_answer_usual(server, conn, begun_ns);
}

void mock_answer_begin(struct mock_server *server, struct mock_conn *conn)
{
    if (mock_slots_enter(server, conn))
        begin(server, conn, conn->answer.read_ns);
}

void mock_answer_resume(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->state != MOCK_CONN_ANSWERING || conn->ended || mock_conn_blocked(conn) ||
        conn->turn == MOCK_TURN_WAITING || conn->turn == MOCK_TURN_CALLED)
        return;
    if (conn->scene.playing) {
        mock_timer_set(&server->timers, &conn->timer, clock_now_ns());
        return;
    }
    conn->progress.late_by_client = true;
    mock_timer_set(&server->timers, &conn->timer, conn->progress.due_ns);
}

/* ---- faults ---- */

static bool reached(int64_t after, uint64_t events)
{
    return after >= 0 && events >= (uint64_t)after;
}

static void end_stream(struct mock_server *server, struct mock_conn *conn, bool failed)
{
    const struct mock_overrides *over = &conn->answer.over;
    const struct mock_shape *shape = mock_shape_of(server, conn);
    if (!over->nodone && !over->noend && shape->done && !(failed && shape->failure_ends)) {
        shape->done(&server->event, &conn->answer);
        frame(server, conn);
    }
    conn->hold = over->hold;
    if (!conn->hold && !conn->http.old)
        buf_add_text(&server->out, "0\r\n\r\n");
    if (send_out(server, conn))
        mock_conn_end_answer(server, conn);
}

static bool fault_here(const struct mock_conn *conn)
{
    const struct mock_overrides *over = &conn->answer.over;
    uint64_t events = conn->progress.events;
    return reached(over->abort, events) || reached(over->reset, events) ||
           reached(over->stall, events) || reached(over->error, events);
}

/* Half of the token event that would have come next. */
static void add_half(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_answer *answer = &conn->answer;
    uint32_t choices = answer->ask.choices;
    uint64_t events = conn->progress.events;
    size_t before = server->out.len;
    if (!answer->over.half || !answer->ask.stream || events >= mock_answer_events(answer))
        return;
    mock_shape_of(server, conn)
        ->token(&server->event, answer, (uint32_t)(events % choices), (uint32_t)(events / choices));
    frame(server, conn);
    server->out.len = before + (server->out.len - before) / 2;
}

/* Sends what is written and leaves the answer at that. */
static void break_off(struct mock_server *server, struct mock_conn *conn)
{
    uint64_t events = conn->progress.events;
    bool reset = reached(conn->answer.over.reset, events);
    add_half(server, conn);
    if (!send_out(server, conn))
        return;
    if (reset || reached(conn->answer.over.abort, events))
        mock_conn_drop(server, conn, reset);
    else
        mock_conn_stall(server, conn);
}

/* Does what the URL asked for after so many events; true when that ended the answer. */
static bool fail_if_due(struct mock_server *server, struct mock_conn *conn)
{
    if (!fault_here(conn))
        return false;
    server->stats.faults++;
    write_stream_head(server, conn);
    if (reached(conn->answer.over.error, conn->progress.events)) {
        mock_shape_of(server, conn)->failure(&server->event, &conn->answer);
        frame(server, conn);
        end_stream(server, conn, true);
    } else {
        break_off(server, conn);
    }
    return true;
}

/* ---- streams ---- */

/* Token events stand in the order of their place k, and at each place in the order of the choices.
 */
static void add_token(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_answer *answer = &conn->answer;
    struct mock_progress *progress = &conn->progress;
    uint32_t choices = answer->ask.choices;
    uint32_t k = (uint32_t)(progress->events / choices);
    uint32_t tokens = mock_answer_in_event(answer, k);
    const struct mock_shape *shape = mock_shape_of(server, conn);
    if (answer->over.ping > 0 && (progress->events + 1) % (uint64_t)answer->over.ping == 0) {
        (shape->ping ? shape->ping : mock_write_ping)(&server->event, answer);
        frame(server, conn);
    }
    shape->token(&server->event, answer, (uint32_t)(progress->events % choices), k);
    frame(server, conn);
    progress->events++;
    server->stats.events++;
    server->stats.tokens += tokens;
    server->stats.completion_tokens += tokens;
}

static void add_tail(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_answer *answer = &conn->answer;
    const struct mock_shape *shape = mock_shape_of(server, conn);
    if (shape->finish && !answer->over.noend)
        add_events(server, conn, shape->finish, shape->finishes);
    if (shape->usage && answer->ask.include_usage && !answer->over.nousage) {
        shape->usage(&server->event, answer);
        frame(server, conn);
        server->stats.events++;
    }
}

static void note_lateness(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_progress *progress = &conn->progress;
    uint64_t now_ns = clock_now_ns();
    if (progress->late_by_client)
        server->stats.blocked++;
    else
        hist_record(server->stats.lateness,
                    now_ns > progress->due_ns ? now_ns - progress->due_ns : 0);
    progress->late_by_client = false;
}

/* One send of token events; false when the connection is dead. After the last one due_ns stays, so
 * that the end of the answer is due already, however long the client takes to read. */
static bool send_tokens(struct mock_server *server, struct mock_conn *conn)
{
    const struct mock_answer *answer = &conn->answer;
    struct mock_progress *progress = &conn->progress;
    uint64_t all = mock_answer_events(answer);
    write_stream_head(server, conn);
    note_lateness(server, conn);
    for (int64_t i = 0; i < answer->over.coal && progress->events < all && !fault_here(conn); i++)
        add_token(server, conn);
    progress->groups++;
    if (progress->groups % answer->ask.choices == 0)
        progress->due_ns +=
            times(jittered(server, conn, answer->over.itl_ns),
                  mock_answer_in_event(answer, progress->events / answer->ask.choices));
    return send_out(server, conn);
}

static void finish_stream(struct mock_server *server, struct mock_conn *conn)
{
    write_stream_head(server, conn);
    add_tail(server, conn);
    conn->answer.whole = true;
    end_stream(server, conn, false);
}

static void stream_due(struct mock_server *server, struct mock_conn *conn)
{
    uint64_t all = mock_answer_events(&conn->answer);
    if (fail_if_due(server, conn))
        return;
    if (conn->progress.events < all && !send_tokens(server, conn))
        return;
    if (mock_conn_blocked(conn) || fail_if_due(server, conn))
        return; /* mock_answer_resume goes on when the client has read */
    if (conn->progress.events < all)
        mock_timer_set(&server->timers, &conn->timer, conn->progress.due_ns);
    else
        finish_stream(server, conn);
}

/* ---- plain answers ---- */

static void send_plain(struct mock_server *server, struct mock_conn *conn)
{
    uint64_t tokens = mock_answer_tokens(&conn->answer);
    server->stats.tokens += tokens;
    server->stats.completion_tokens += tokens;
    conn->answer.whole = true;
    mock_reply(server, conn, 200, NULL);
}

static void plain_due(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_refusal no;
    note_lateness(server, conn);
    conn->progress.events = MOCK_MAX_TOKENS; /* every "after K" is reached */
    server->stats.faults += fault_here(conn);
    if (conn->answer.over.error >= 0) {
        mock_refuse(&no, 500, NULL, NULL, "The mock server was asked to fail here.");
        no.request = conn->answer.request;
        mock_reply_own_refusal(server, conn, &no);
        return;
    }
    mock_shape_of(server, conn)->plain(&server->event, &conn->answer);
    if (!fault_here(conn)) {
        send_plain(server, conn);
        return;
    }
    size_t missing = server->event.len / 2;
    mock_write_reply(server, conn, 200, NULL);
    server->out.len -= missing;
    break_off(server, conn);
}

void mock_answer_due(struct mock_server *server, struct mock_conn *conn)
{
    if (conn->turn == MOCK_TURN_CALLED) {
        conn->turn = MOCK_TURN_BEGUN;
        begin(server, conn, clock_now_ns());
    } else if (conn->scene.playing) {
        mock_scene_due(server, conn);
    } else if (conn->answer.ask.stream) {
        stream_due(server, conn);
    } else {
        plain_due(server, conn);
    }
}

void mock_answer_fini(struct mock_conn *conn)
{
    for (uint32_t i = 0; conn->answer.speeches && i < conn->answer.ask.choices; i++)
        mock_speech_fini(&conn->answer.speeches[i]);
    free(conn->answer.speeches);
    conn->answer.speeches = NULL;
    mock_ask_fini(&conn->answer.ask);
    buf_fini(&conn->answer.prefix);
    buf_fini(&conn->answer.said);
}
