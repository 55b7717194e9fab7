/* Alarms: a timerfd each, because an ev_timer is only as good as epoll's milliseconds. */
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"

struct alarm {
    struct loop *loop;
    ev_io io;
    void (*ring)(void *arg);
    void *arg;
};

/* Nothing to read means that the alarm was moved after the kernel had reported it. */
static void alarm_on_ready(struct ev_loop *ev, ev_io *io, int events)
{
    (void)ev, (void)events;
    struct alarm *alarm = io->data;
    loop_note_lag(alarm->loop);
    uint64_t expirations;
    if (read(io->fd, &expirations, sizeof expirations) == (ssize_t)sizeof expirations)
        alarm->ring(alarm->arg);
}

struct alarm *alarm_new(struct loop *loop, void (*ring)(void *arg), void *arg, struct err *err)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) {
        err_set(err, "cannot make a timer: %s", strerror(errno));
        return NULL;
    }
    struct alarm *alarm = MEM_NEW(struct alarm);
    alarm->loop = loop;
    alarm->ring = ring;
    alarm->arg = arg;
    ev_io_init(&alarm->io, alarm_on_ready, fd, EV_READ);
    alarm->io.data = alarm;
    ev_io_start(loop_ev(loop), &alarm->io);
    return alarm;
}

void alarm_free(struct alarm *alarm)
{
    if (!alarm)
        return;
    ev_io_stop(loop_ev(alarm->loop), &alarm->io);
    close(alarm->io.fd);
    free(alarm);
}

void alarm_set(struct alarm *alarm, uint64_t at_ns)
{
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};
    timerfd_settime(alarm->io.fd, TFD_TIMER_ABSTIME, &at, NULL);
}
