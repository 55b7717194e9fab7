/* `llmbench mock` in a process of its own, on a free port of this machine; it ends with ours at the
 * latest. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct mock_child {
    pid_t pid; /* 0 = none */
    uint16_t port;
};

/* `words`: its options, NULL-terminated; waits until it listens. Before any thread starts. */
bool mock_child_start(struct mock_child *child, const char *const *words,
                      struct err *err) MUST_CHECK;
void mock_child_stop(struct mock_child *child);
