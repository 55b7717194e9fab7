/* Signals as readable events: a signalfd on the loop. */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/loop.h"

struct signals {
    struct loop *loop;
    ev_io io;
    void (*on_signal)(void *arg, int signo);
    void *arg;
};

/* One signal a turn: the descriptor stays readable while there are more. */
static void signals_on_ready(struct ev_loop *ev, ev_io *io, int events)
{
    (void)ev, (void)events;
    struct signals *signals = io->data;
    loop_note_lag(signals->loop);
    struct signalfd_siginfo info;
    if (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info)
        signals->on_signal(signals->arg, (int)info.ssi_signo);
}

struct signals *signals_new(struct loop *loop, void (*on_signal)(void *arg, int signo), void *arg,
                            struct err *err)
{
    sigset_t set = signals_all();
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        err_set(err, "cannot watch for signals: %s", strerror(errno));
        return NULL;
    }
    struct signals *signals = MEM_NEW(struct signals);
    signals->loop = loop;
    signals->on_signal = on_signal;
    signals->arg = arg;
    ev_io_init(&signals->io, signals_on_ready, fd, EV_READ);
    signals->io.data = signals;
    ev_io_start(loop_ev(loop), &signals->io);
    return signals;
}

void signals_free(struct signals *signals)
{
    if (!signals)
        return;
    ev_io_stop(loop_ev(signals->loop), &signals->io);
    close(signals->io.fd);
    free(signals);
}
