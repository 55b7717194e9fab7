#include "script/watch.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/state.h"

static const uint64_t LOOK_LEAST_NS = 5 * NS_PER_MS, LOOK_MOST_NS = 200 * NS_PER_MS;
/* What an interrupted call gets to notice it. */
static const uint64_t PATIENCE_NS = 500 * NS_PER_MS;
static const uint64_t SHORTEST_NS = 100 * NS_PER_MS; /* unless less was asked for */

struct watch {
    struct watch_config config;
    _Atomic uint64_t limit_ns;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows, and of sending signals */
    pthread_cond_t woken;
    struct script *scripts;
    uint64_t now_ns; /* its own time: passes by no more than two looks at once, so that a program */
    uint64_t looked_ns; /* that was stopped and goes on finds no call too long */
    bool leaving;
};

/* A call's word: its number and, in the low bits, how it stands. */
static uint64_t word_of(uint64_t call, enum watch_phase phase)
{
    return call * WATCH_PHASES + phase;
}

static enum watch_phase phase_of(uint64_t word)
{
    return (enum watch_phase)(word % WATCH_PHASES);
}

static int interrupt_signal(void)
{
    return SIGRTMIN + 2;
}

/* ---- in the script's own thread ---- */

static bool is_interrupted(const struct script *script)
{
    return phase_of(atomic_load(&script->watched.word)) == WATCH_INTERRUPTED;
}

static void what_happened(const struct script *script, char *out, size_t size)
{
    const struct watched *watched = &script->watched;
    if (watched->hurried)
        snprintf(out, size, "interrupted");
    else
        snprintf(out, size, "did not return within %g s", clock_seconds(watched->limit_ns));
}

/* LuaJIT's hook, set by the signal: stays, so that a pcall of the script's cannot swallow it. */
static void stop_here(lua_State *lua, lua_Debug *frame)
{
    struct script *script = script_of(lua);
    char what[64];
    if (!is_interrupted(script)) /* between two calls */
        return;
    what_happened(script, what, sizeof what);
    if (lua_getinfo(lua, "Sl", frame) && frame->currentline > 0)
        lua_pushfstring(lua, "%s:%d: ", frame->short_src, frame->currentline);
    else
        lua_pushliteral(lua, "");
    // -- place
    lua_pushstring(lua, what); // -- place what
    lua_concat(lua, 2);        // -- message
    lua_error(lua);
}

/* As luajit's own Ctrl-C does it: the one thing of Lua's that a signal handler may touch. */
static void on_interrupt(int signo, siginfo_t *info, void *context)
{
    int kept = errno;
    (void)signo, (void)context;
    if (info->si_code == SI_QUEUE && info->si_pid == getpid()) {
        struct script *script = info->si_value.sival_ptr;
        if (is_interrupted(script))
            lua_sethook(script->lua, stop_here, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
        atomic_fetch_add(&script->watched.signals_seen, 1);
    }
    errno = kept;
}

static void install_handler(void)
{
    struct sigaction action = {.sa_sigaction = on_interrupt, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(interrupt_signal(), &action, NULL);
}

void watched_begin(struct script *script, const char *doing)
{
    struct watched *watched = &script->watched;
    watched->doing = doing;
    watched->thread = pthread_self();
    watched->call++;
    atomic_store_explicit(&watched->word, word_of(watched->call, WATCH_RUNNING),
                          memory_order_release);
}

/* Given up: others have gone on without this thread, and whatever it held may be gone. */
static void park(void)
{
    for (;;)
        pause();
}

/* The signals that were sent have been handled: none will reach this thread or script later. */
static void settle(struct script *script)
{
    struct watched *watched = &script->watched;
    watch_settle(watched->watch);
    while (atomic_load(&watched->signals_seen) != atomic_load(&watched->signals_sent))
        sched_yield();
    lua_sethook(script->lua, NULL, 0, 0);
}

/* The word goes back to idle; how the call stood before. */
static enum watch_phase leave_call(struct watched *watched)
{
    uint64_t word = atomic_load(&watched->word);
    do
        if (phase_of(word) == WATCH_GIVEN_UP)
            park();
    while (
        !atomic_compare_exchange_weak(&watched->word, &word, word_of(watched->call, WATCH_IDLE)));
    return phase_of(word);
}

/* "read_event (mine.lua:12) did not return within 5 s" */
static char *whole_sentence(const struct script *script)
{
    char what[64];
    const char *doing = script->watched.doing, *place = place_of(script, doing);
    what_happened(script, what, sizeof what);
    return place ? mem_printf("%s (%s): %s", doing, place, what)
                 : mem_printf("%s: %s", doing, what);
}

/* The error's first line, if it is ours; else our own sentence goes before it. */
static char *take_overdue(const struct script *script, bool failed, struct err *err)
{
    char what[64];
    what_happened(script, what, sizeof what);
    char *sentence = whole_sentence(script);
    if (!failed) /* it came back in the last moment, or caught the error at its very end */
        err_set(err, "%s", what);
    else if (!strstr(err->text, what))
        err_prefix(err, "%s", what);
    else {
        free(sentence);
        sentence =
            mem_printf("%s: %.*s", script->watched.doing, (int)strcspn(err->text, "\n"), err->text);
    }
    return sentence;
}

bool watched_end(struct script *script, bool failed, struct err *err)
{
    struct watched *watched = &script->watched;
    if (leave_call(watched) != WATCH_INTERRUPTED)
        return false;
    settle(script);
    free(watched->overdue);
    watched->overdue = take_overdue(script, failed, err);
    return true;
}

bool watched_interrupted(const struct script *script)
{
    return is_interrupted(script);
}

static void change_phase(struct watched *watched, enum watch_phase from, enum watch_phase to)
{
    uint64_t word = word_of(watched->call, from);
    uint64_t next = word_of(watched->call + (to == WATCH_RUNNING), to);
    if (atomic_compare_exchange_strong(&watched->word, &word, next))
        watched->call += to == WATCH_RUNNING;
}

void watched_wait(struct script *script)
{
    change_phase(&script->watched, WATCH_RUNNING, WATCH_WAITING);
}

void watched_go_on(struct script *script)
{
    change_phase(&script->watched, WATCH_WAITING, WATCH_RUNNING);
}

static bool is_hurried(const struct watch *watch, const struct script *script, uint64_t lasted_ns)
{
    return watch->config.hurried && watch->config.hurried(watch->config.arg, script, lasted_ns);
}

bool watched_hurried(const struct script *script)
{
    return script->watched.watch && is_hurried(script->watched.watch, script, UINT64_MAX);
}

char *script_take_overdue(struct script *script)
{
    char *overdue = script->watched.overdue;
    script->watched.overdue = NULL;
    return overdue;
}

bool script_given_up(const struct script *script)
{
    return phase_of(atomic_load(&script->watched.word)) == WATCH_GIVEN_UP;
}

/* ---- in the watch's thread, under its lock ---- */

static bool put_word(const struct watch *watch, struct watched *watched, enum watch_phase phase)
{
    uint64_t next = watched->seen / WATCH_PHASES * WATCH_PHASES + phase;
    if (!atomic_compare_exchange_strong(&watched->word, &watched->seen, next))
        return false;
    watched->seen = next;
    watched->seen_ns = watch->now_ns;
    return true;
}

/* Sent again and again, since LuaJIT may lose one that comes while it changes its own hooks. */
static void send_signal(struct script *script)
{
    union sigval value = {.sival_ptr = script};
    if (pthread_sigqueue(script->watched.thread, interrupt_signal(), value) == 0)
        atomic_fetch_add(&script->watched.signals_sent, 1);
}

static void interrupt(struct watch *watch, struct script *script, bool hurried)
{
    script->watched.hurried = hurried;
    script->watched.limit_ns = atomic_load(&watch->limit_ns);
    if (put_word(watch, &script->watched, WATCH_INTERRUPTED))
        send_signal(script);
}

static void give_up(struct watch *watch, struct script *script)
{
    if (!put_word(watch, &script->watched, WATCH_GIVEN_UP))
        return;
    char *sentence = whole_sentence(script);
    watch->config.given_up(watch->config.arg, script, sentence);
    free(sentence);
}

static void look_at(struct watch *watch, struct script *script)
{
    struct watched *watched = &script->watched;
    uint64_t word = atomic_load(&watched->word);
    uint64_t limit_ns = atomic_load(&watch->limit_ns);
    if (word != watched->seen) {
        watched->seen = word;
        watched->seen_ns = watch->now_ns;
    }
    uint64_t lasted_ns = watch->now_ns - watched->seen_ns;
    bool hurried = phase_of(word) == WATCH_RUNNING && is_hurried(watch, script, lasted_ns);
    if (phase_of(word) == WATCH_RUNNING && (hurried || (limit_ns && lasted_ns >= limit_ns)))
        interrupt(watch, script, hurried);
    else if (phase_of(word) == WATCH_INTERRUPTED && lasted_ns >= PATIENCE_NS)
        give_up(watch, script);
    else if (phase_of(word) == WATCH_INTERRUPTED)
        send_signal(script);
}

static uint64_t look_every_ns(const struct watch *watch)
{
    uint64_t limit_ns = atomic_load(&watch->limit_ns), pause_ns = limit_ns / 20;
    if (!limit_ns || pause_ns > LOOK_MOST_NS)
        return LOOK_MOST_NS;
    return pause_ns < LOOK_LEAST_NS ? LOOK_LEAST_NS : pause_ns;
}

/* Waits for the next look. */
static void watch_pause(struct watch *watch)
{
    uint64_t pause_ns = look_every_ns(watch), at_ns = clock_now_ns() + pause_ns;
    struct timespec at = {.tv_sec = (time_t)(at_ns / NS_PER_S),
                          .tv_nsec = (long)(at_ns % NS_PER_S)};
    pthread_cond_timedwait(&watch->woken, &watch->lock, &at);
    uint64_t now_ns = clock_now_ns(), passed_ns = now_ns - watch->looked_ns;
    watch->now_ns += passed_ns < 2 * pause_ns ? passed_ns : 2 * pause_ns;
    watch->looked_ns = now_ns;
}

static void *watch_run(void *arg)
{
    struct watch *watch = arg;
    pthread_mutex_lock(&watch->lock);
    while (!watch->leaving) {
        watch_pause(watch);
        for (struct script *script = watch->scripts; script && !watch->leaving;
             script = script->watched.next)
            look_at(watch, script);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

/* ---- life ---- */

struct watch *watch_new(const struct watch_config *config, struct err *err)
{
    struct watch *watch = MEM_NEW(struct watch);
    pthread_condattr_t clock;
    watch->config = *config;
    atomic_store(&watch->limit_ns, config->limit_ns);
    watch->looked_ns = clock_now_ns();
    install_handler();
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->woken, &clock);
    pthread_condattr_destroy(&clock);
    int failure = pthread_create(&watch->thread, NULL, watch_run, watch);
    if (failure == 0)
        return watch;
    err_set(err, "cannot start a thread: %s", strerror(failure));
    free(watch);
    return NULL;
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->leaving = true;
    pthread_cond_signal(&watch->woken);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->woken);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

void watch_shorten(struct watch *watch)
{
    uint64_t asked_ns = watch->config.limit_ns, tenth_ns = asked_ns / 10;
    if (tenth_ns < SHORTEST_NS)
        tenth_ns = SHORTEST_NS;
    atomic_store(&watch->limit_ns, tenth_ns < asked_ns ? tenth_ns : asked_ns);
}

void watch_settle(struct watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    pthread_mutex_unlock(&watch->lock);
}

void watch_join(struct watch *watch, struct script *script)
{
    script->watched.watch = watch;
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    script->watched.next = watch->scripts;
    watch->scripts = script;
    pthread_mutex_unlock(&watch->lock);
}

void watch_leave(struct script *script)
{
    struct watch *watch = script->watched.watch;
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    struct script **at = &watch->scripts;
    while (*at != script)
        at = &(*at)->watched.next;
    *at = script->watched.next;
    pthread_mutex_unlock(&watch->lock);
}
