#include "io/loop.h"

#include <ev.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"

struct loop {
    struct ev_loop *ev;
    ev_check check;
    ev_async wake;
    uint64_t woken_ns; /* when the kernel last woke this loop; 0 = not yet */
    struct hist *lag;
    void (*on_wake)(void *arg);
    void *on_wake_arg;
    ev_prepare rest;
    void (*on_rest)(void *arg);
    void *on_rest_arg;
};

/* Runs before every other watcher of the turn, because it has the highest priority. */
static void loop_on_check(struct ev_loop *ev, ev_check *check, int events)
{
    uint64_t now = clock_now_ns();
    (void)ev, (void)events;
    ((struct loop *)check->data)->woken_ns = now;
}

static void loop_on_async(struct ev_loop *ev, ev_async *async, int events)
{
    (void)ev, (void)events;
    struct loop *loop = async->data;
    loop->on_wake(loop->on_wake_arg);
}

static void loop_on_prepare(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    (void)ev, (void)events;
    struct loop *loop = prepare->data;
    if (loop->on_rest)
        loop->on_rest(loop->on_rest_arg);
}

struct loop *loop_new(struct err *err)
{
    struct ev_loop *ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!ev) {
        err_set(err, "cannot make an event loop: epoll is not available");
        return NULL;
    }
    struct loop *loop = MEM_NEW(struct loop);
    loop->ev = ev;
    loop->lag = hist_new();
    ev_check_init(&loop->check, loop_on_check);
    ev_set_priority(&loop->check, EV_MAXPRI);
    loop->check.data = loop;
    ev_check_start(ev, &loop->check);
    ev_prepare_init(&loop->rest, loop_on_prepare);
    ev_set_priority(&loop->rest, EV_MINPRI);
    loop->rest.data = loop;
    ev_prepare_start(ev, &loop->rest);
    ev_unref(ev), ev_unref(ev); /* neither is a reason to go on */
    ev_async_init(&loop->wake, loop_on_async);
    loop->wake.data = loop;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    ev_ref(loop->ev), ev_ref(loop->ev);
    ev_check_stop(loop->ev, &loop->check);
    ev_prepare_stop(loop->ev, &loop->rest);
    ev_async_stop(loop->ev, &loop->wake);
    ev_loop_destroy(loop->ev);
    hist_free(loop->lag);
    free(loop);
}

void loop_run(struct loop *loop)
{
    ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

struct ev_loop *loop_ev(struct loop *loop)
{
    return loop->ev;
}

void loop_on_wake(struct loop *loop, void (*on_wake)(void *arg), void *arg)
{
    loop->on_wake = on_wake;
    loop->on_wake_arg = arg;
    if (on_wake)
        ev_async_start(loop->ev, &loop->wake);
    else
        ev_async_stop(loop->ev, &loop->wake);
}

void loop_wake(void *arg)
{
    struct loop *loop = arg;
    ev_async_send(loop->ev, &loop->wake);
}

void loop_on_rest(struct loop *loop, void (*on_rest)(void *arg), void *arg)
{
    loop->on_rest = on_rest;
    loop->on_rest_arg = arg;
}

void loop_note_lag(struct loop *loop)
{
    uint64_t now = clock_now_ns();
    if (loop->woken_ns)
        hist_record(loop->lag, now - loop->woken_ns);
}

void loop_forget_lag(struct loop *loop)
{
    hist_free(loop->lag);
    loop->lag = hist_new();
}

const struct hist *loop_lag(const struct loop *loop)
{
    return loop->lag;
}

uint64_t loop_raise_descriptors(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    struct rlimit raised = limit;
    raised.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

#define TEXT(value) #value
#define VERSION(major, minor) TEXT(major) "." TEXT(minor)

const char *loop_library(void)
{
    return "libev/" VERSION(EV_VERSION_MAJOR, EV_VERSION_MINOR);
}
