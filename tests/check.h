/* cmocka with what it needs before it, and a few helpers for table-driven tests. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Fails with both values and the name of the case. */
#define CHECK_TEXT(name, got, want)                                                                \
    do {                                                                                           \
        if (strcmp((got), (want)) != 0)                                                            \
            fail_msg("%s: got \"%s\", want \"%s\"", (name), (got), (want));                        \
    } while (0)
#define CHECK_INT(name, got, want)                                                                 \
    do {                                                                                           \
        long long got_ = (long long)(got), want_ = (long long)(want);                              \
        if (got_ != want_)                                                                         \
            fail_msg("%s: got %lld, want %lld", (name), got_, want_);                              \
    } while (0)

/* For tests of times: a machine that is busy with something else can fail them, so the group runs
 * again, up to four times in all, each in a process of its own; a defect fails it each time. Called
 * before there are threads. */
static inline int check_by_the_clock(int (*group)(void))
{
    for (int attempt = 1; attempt <= 4; attempt++) {
        int status = 1;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            exit(group());
        if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
            return 0;
        fprintf(stderr, "attempt %d, on a busy machine? status %d\n", attempt, status);
        sleep((unsigned)attempt);
    }
    return 1;
}
