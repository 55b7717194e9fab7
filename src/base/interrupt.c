#include "base/interrupt.h"

#include <pthread.h>

/* Those that end the program. */
static sigset_t signals_ending(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

sigset_t signals_all(void)
{
    sigset_t set = signals_ending();
    sigaddset(&set, SIGUSR1);
    return set;
}

void signals_hold(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void signals_block(void)
{
    sigset_t set = signals_all();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error like a full disk */
}

bool signals_pending(void)
{
    sigset_t pending, both, set = signals_ending();
    return sigpending(&pending) == 0 && sigandset(&both, &pending, &set) == 0 &&
           !sigisemptyset(&both);
}
