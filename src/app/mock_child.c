#include "app/mock_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { WORDS_MOST = 32, PATIENCE_S = 20, GRACE_MS = 5000 };

/* In the child: no call that could need a lock. A Ctrl-C on the terminal is for the parent. */
static void become_mock(const char *const *words, int out)
{
    const char *argv[WORDS_MOST + 5] = {"llmbench", "mock", "--port", "0"};
    for (size_t i = 0; i < WORDS_MOST && words[i]; i++)
        argv[4 + i] = words[i];
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    dup2(out, STDOUT_FILENO);
    /* execv takes them as they are and changes nothing */
    execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* The port in the line that it prints once it listens; 0 = it ended, or took too long. */
static uint16_t read_port(int in)
{
    char line[256] = "";
    size_t len = 0;
    uint64_t until_ns = clock_now_ns() + PATIENCE_S * NS_PER_S;
    while (len < sizeof line - 1 && !memchr(line, '\n', len)) {
        uint64_t now = clock_now_ns();
        struct pollfd ready = {.fd = in, .events = POLLIN};
        int left_ms = now < until_ns ? (int)((until_ns - now) / NS_PER_MS) : 0;
        ssize_t got =
            poll(&ready, 1, left_ms) > 0 ? read(in, line + len, sizeof line - 1 - len) : 0;
        if (got <= 0)
            return 0;
        len += (size_t)got;
    }
    unsigned port = 0;
    line[len] = '\0';
    const char *at = strstr(line, "http://127.0.0.1:");
    return at && sscanf(at, "http://127.0.0.1:%u", &port) == 1 ? (uint16_t)port : 0;
}

bool mock_child_start(struct mock_child *child, const char *const *words, struct err *err)
{
    int ends[2];
    *child = (struct mock_child){0};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set(err, "cannot make a pipe: %s", strerror(errno));
    child->pid = fork();
    if (child->pid == 0)
        become_mock(words, ends[1]);
    close(ends[1]);
    if (child->pid > 0)
        child->port = read_port(ends[0]);
    close(ends[0]);
    if (child->port)
        return true;
    if (child->pid < 0)
        child->pid = 0;
    mock_child_stop(child);
    return err_set(err, "the mock server could not be started in a process of its own");
}

void mock_child_stop(struct mock_child *child)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    if (!child->pid)
        return;
    kill(child->pid, SIGTERM);
    for (int ms = 0; waitpid(child->pid, NULL, WNOHANG) == 0; ms++) {
        nanosleep(&pause, NULL);
        if (ms == GRACE_MS)
            kill(child->pid, SIGKILL);
    }
    child->pid = 0;
}
