#include "out/wandb.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/queue.h"
#include "model/live.h"
#include "out/wandb_text.h"

enum {
    LINES_WAITING = 4096, /* more than an hour of them */
    LINES_A_POST = 500,
    TRIES = 4,
    ANSWER_LIMIT = 1 << 20, /* bytes */
};

static const double LINE_EVERY_S = 1;
static const uint64_t PAUSE_NS = 2 * NS_PER_S; /* between posts of lines */
static const uint64_t HEARTBEAT_NS =
    30 * NS_PER_S;                                /* after which silence would look like a crash */
static const uint64_t BACKOFF_NS = NS_PER_S / 2;  /* doubled from try to try */
static const uint64_t PATIENCE_NS = 9 * NS_PER_S; /* and one more until a cancelled post is over */

static const uint64_t LOOK_NS = 100 * NS_PER_MS; /* how often `hurried` is asked */

struct wandb {
    struct wandb_config config;
    struct queue *lines; /* texts */
    pthread_t thread;
    atomic_bool given_up;
    atomic_uint_fast64_t dropped;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* one of these */
    bool finishing, cancelled, ended;

    /* of main; `summary` and `exit_code` are the thread's from `finishing` on */
    struct live last;
    bool unsaid; /* `last` holds something that no line has told */
    double next_line_s;
    uint64_t begun_ns; /* the first stage */
    double stage_s;    /* of the run when this stage began */
    uint64_t step;
    char *summary;
    int exit_code;

    /* of the thread */
    char *stream; /* path of the file stream */
    uint64_t sent;
    uint64_t posted_ns;
};

/* ---- main: lines into the queue -----------------------------------------------------------------
 */

/* When the service is behind, the newest lines are worth more than the oldest. */
static void enqueue(struct wandb *wandb, char *line)
{
    while (queue_over(wandb->lines)) {
        char *oldest = queue_try_take(wandb->lines);
        if (oldest)
            atomic_fetch_add(&wandb->dropped, 1);
        free(oldest);
    }
    if (!queue_push(wandb->lines, line, strlen(line)))
        free(line);
}

static struct wandb_moment moment_of(const struct wandb *wandb, uint64_t step)
{
    return (struct wandb_moment){
        .step = step,
        .runtime_s = wandb->stage_s + wandb->last.elapsed_s,
        .unix_s = clock_seconds(clock_wall_ns()),
    };
}

static void say(struct wandb *wandb)
{
    struct wandb_moment moment = moment_of(wandb, wandb->step++);
    enqueue(wandb, wandb_history_line(&wandb->last, &moment));
    wandb->unsaid = false;
    wandb->next_line_s = wandb->last.elapsed_s + LINE_EVERY_S;
}

/* Elapsed time and counts begin anew with each stage. */
static bool take_stage_begin(void *self, uint32_t stage, const struct plan *plan, struct err *err)
{
    struct wandb *wandb = self;
    uint64_t now_ns = clock_now_ns();
    (void)stage, (void)plan, (void)err;
    if (!wandb->begun_ns)
        wandb->begun_ns = now_ns;
    wandb->stage_s = clock_seconds(now_ns - wandb->begun_ns);
    wandb->last = (struct live){0};
    wandb->next_line_s = 0;
    return true;
}

static bool take_tick(void *self, const struct live *live, struct err *err)
{
    struct wandb *wandb = self;
    (void)err;
    if (atomic_load(&wandb->given_up))
        return true;
    wandb->unsaid = wandb->unsaid || live->scored != wandb->last.scored;
    wandb->last = *live;
    if (wandb->unsaid && live->elapsed_s >= wandb->next_line_s)
        say(wandb);
    return true;
}

static bool take_stage_end(void *self, const struct report *report, struct err *err)
{
    struct wandb *wandb = self;
    (void)report, (void)err;
    if (wandb->unsaid && !atomic_load(&wandb->given_up))
        say(wandb);
    return true;
}

static bool take_end(void *self, const struct reports *reports, struct err *err)
{
    struct wandb *wandb = self;
    struct wandb_moment moment = moment_of(wandb, wandb->step ? wandb->step - 1 : 0);
    (void)err;
    free(wandb->summary);
    wandb->summary = wandb_summary_line(&wandb->last, &moment, reports);
    return true;
}

struct sink wandb_sink(struct wandb *wandb)
{
    return (struct sink){
        .name = "wandb",
        .self = wandb,
        .tick = take_tick,
        .stage_begin = take_stage_begin,
        .stage_end = take_stage_end,
        .end = take_end,
    };
}

/* ---- the thread: waiting ------------------------------------------------------------------------
 */

/* With the lock held. */
static void wait_for_change(struct wandb *wandb, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    pthread_cond_timedwait(&wandb->changed, &wandb->lock, &until);
}

/* Until that moment, or the end is being waited for (if `or_finishing`), or it is too late. False:
 * too late. */
static bool wait_until(struct wandb *wandb, uint64_t until_ns, bool or_finishing)
{
    pthread_mutex_lock(&wandb->lock);
    while (!wandb->cancelled && !(or_finishing && wandb->finishing) && clock_now_ns() < until_ns)
        wait_for_change(wandb, until_ns);
    bool in_time = !wandb->cancelled;
    pthread_mutex_unlock(&wandb->lock);
    return in_time;
}

static bool is_finishing(struct wandb *wandb)
{
    pthread_mutex_lock(&wandb->lock);
    bool finishing = wandb->finishing;
    pthread_mutex_unlock(&wandb->lock);
    return finishing;
}

/* ---- the thread: sending ------------------------------------------------------------------------
 */

static bool judge(long status, struct err *err)
{
    if (status >= 200 && status < 300)
        return true;
    return err_set(err, "HTTP %ld%s", status,
                   status == 401 || status == 403 ? " (is the key right?)" : "");
}

/* A few tries. `answer` holds the last one's body. */
static bool post(struct wandb *wandb, const char *path, const char *json, struct buf *answer,
                 struct err *err)
{
    const struct wandb_config *config = &wandb->config;
    const struct wandb_transport *transport = &config->transport;
    uint64_t backoff_ns = config->backoff_ns ? config->backoff_ns : BACKOFF_NS;
    for (unsigned i = 0;; i++, backoff_ns *= 2) {
        long status = 0;
        buf_clear(answer);
        bool answered = transport->post(transport->self, path, json, &status, answer, err);
        wandb->posted_ns = clock_now_ns();
        if (answered && judge(status, err))
            return true;
        if (answered && !wandb_worth_another_try(status))
            return false;
        if (i + 1 == TRIES)
            return err_prefix(err, "in each of %d tries", TRIES);
        if (!wait_until(wandb, clock_now_ns() + backoff_ns, false))
            return false;
    }
}

static bool create(struct wandb *wandb, struct err *err)
{
    const struct wandb_config *config = &wandb->config;
    char id[WANDB_RUN_ID + 1], *page = NULL;
    struct buf answer;
    wandb_run_id(id, config->seed);
    buf_init(&answer, ANSWER_LIMIT);
    char *body = wandb_upsert_body(config->project, id, config->facts, config->secrets);
    if (post(wandb, "/graphql", body, &answer, err))
        wandb->stream = wandb_stream_path(buf_span(&answer), &page, err);
    if (wandb->stream)
        log_info(config->log, "wandb: %s%s", config->page_root, page ? page : "");
    free(page);
    free(body);
    buf_fini(&answer);
    return wandb->stream != NULL;
}

static bool post_stream(struct wandb *wandb, struct wandb_post *what, struct err *err)
{
    struct buf answer;
    what->offset = wandb->sent;
    what->dropped = atomic_load(&wandb->dropped);
    buf_init(&answer, ANSWER_LIMIT);
    char *body = wandb_post_body(what);
    bool ok = post(wandb, wandb->stream, body, &answer, err);
    free(body);
    buf_fini(&answer);
    wandb->sent += ok ? what->line_count : 0;
    return ok;
}

/* What is waiting now, up to a post's worth; nothing is a heartbeat. */
static bool send_lines(struct wandb *wandb, struct err *err)
{
    char *lines[LINES_A_POST];
    struct wandb_post what = {.lines = lines};
    while (what.line_count < LINES_A_POST &&
           (lines[what.line_count] = queue_try_take(wandb->lines)))
        what.line_count++;
    bool ok = post_stream(wandb, &what, err);
    for (size_t i = 0; i < what.line_count; i++)
        free(lines[i]);
    return ok;
}

static bool send_rest(struct wandb *wandb, struct err *err)
{
    struct wandb_post what = {
        .summary = wandb->summary, .complete = true, .exit_code = wandb->exit_code};
    while (queue_items(wandb->lines) > 0)
        if (!send_lines(wandb, err))
            return false;
    return post_stream(wandb, &what, err);
}

static bool follow(struct wandb *wandb, struct err *err)
{
    uint64_t pause_ns = wandb->config.pause_ns ? wandb->config.pause_ns : PAUSE_NS;
    while (wait_until(wandb, wandb->posted_ns + pause_ns, true)) {
        queue_wait_items(wandb->lines, 1, wandb->posted_ns + HEARTBEAT_NS);
        if (is_finishing(wandb))
            return send_rest(wandb, err);
        if (!send_lines(wandb, err))
            return false;
    }
    return err_set(err, "not everything was sent when the run ended");
}

static void *wandb_thread(void *arg)
{
    struct wandb *wandb = arg;
    struct err err = {0};
    if (!create(wandb, &err) || !follow(wandb, &err)) {
        atomic_store(&wandb->given_up, true);
        log_warn(wandb->config.log, "wandb: %s; nothing more is sent there, the run goes on",
                 err.text);
    }
    pthread_mutex_lock(&wandb->lock);
    wandb->ended = true;
    pthread_cond_broadcast(&wandb->changed);
    pthread_mutex_unlock(&wandb->lock);
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static void wandb_free(struct wandb *wandb)
{
    char *line;
    while ((line = queue_try_take(wandb->lines)))
        free(line);
    queue_free(wandb->lines);
    pthread_cond_destroy(&wandb->changed);
    pthread_mutex_destroy(&wandb->lock);
    free(wandb->summary);
    free(wandb->stream);
    free(wandb);
}

struct wandb *wandb_start(const struct wandb_config *config)
{
    struct wandb *wandb = MEM_NEW(struct wandb);
    pthread_condattr_t monotonic;
    wandb->config = *config;
    wandb->lines = queue_new(LINES_WAITING, 0);
    pthread_mutex_init(&wandb->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wandb->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failure = pthread_create(&wandb->thread, NULL, wandb_thread, wandb);
    if (failure == 0)
        return wandb;
    log_warn(config->log, "wandb: cannot start a thread: %s", strerror(failure));
    wandb_free(wandb);
    return NULL;
}

/* Lets the thread end by itself as long as there is time, then cuts it short. */
static void wait_for_end(struct wandb *wandb)
{
    const struct wandb_config *config = &wandb->config;
    uint64_t now_ns = clock_now_ns(),
             until_ns = now_ns + (config->patience_ns ? config->patience_ns : PATIENCE_NS);
    pthread_mutex_lock(&wandb->lock);
    wandb->finishing = true;
    pthread_cond_broadcast(&wandb->changed);
    queue_close(wandb->lines);
    while (!wandb->ended && now_ns < until_ns && !(config->hurried && config->hurried())) {
        wait_for_change(wandb, now_ns + LOOK_NS < until_ns ? now_ns + LOOK_NS : until_ns);
        now_ns = clock_now_ns();
    }
    bool cut = wandb->cancelled = !wandb->ended;
    pthread_cond_broadcast(&wandb->changed);
    pthread_mutex_unlock(&wandb->lock);
    if (cut)
        config->transport.cancel(config->transport.self);
    pthread_join(wandb->thread, NULL);
}

void wandb_finish(struct wandb *wandb, int exit_code)
{
    if (!wandb)
        return;
    wandb->exit_code = exit_code;
    wait_for_end(wandb);
    uint64_t dropped = atomic_load(&wandb->dropped);
    if (dropped && !atomic_load(&wandb->given_up))
        log_warn(wandb->config.log,
                 "wandb: the service was slow; %llu lines of history were given up",
                 (unsigned long long)dropped);
    wandb_free(wandb);
}
