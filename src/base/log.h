/* Warnings and notes, to stderr and to the run's log file. Thread-safe. Secrets are hidden in both.
 *
 * While a live progress line stands on the terminal (log_set_live), each message first clears that
 * line. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/secrets.h"
#include "base/span.h"

struct log;

enum log_level {
    LOG_DEBUG,
    LOG_NOTE, /* for the file; on the console only when debugging */
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR
};

struct log *log_new(enum log_level console,
                    struct secrets *secrets); /* borrows secrets for its life */
void log_free(struct log *log);
void log_set_console(struct log *log, enum log_level console);
/* What was written before the file was opened goes there first. */
bool log_open_file(struct log *log, const char *path,
                   struct err *err) MUST_CHECK; /* all levels but debug go there, with a time */
void log_set_live(struct log *log, bool live);

/* A NULL log is silent, so that units can be tested alone. One write a message; lines after the
 * first are indented, what could drive the terminal is shown as \xNN (base/tame.h), and what is
 * past 64 KiB is only counted. */
void log_write(struct log *log, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
#define log_debug(log, ...) log_write(log, LOG_DEBUG, __VA_ARGS__)
#define log_note(log, ...) log_write(log, LOG_NOTE, __VA_ARGS__)
#define log_info(log, ...) log_write(log, LOG_INFO, __VA_ARGS__)
#define log_warn(log, ...) log_write(log, LOG_WARN, __VA_ARGS__)
#define log_error(log, ...) log_write(log, LOG_ERROR, __VA_ARGS__)
/* Clean lines that somebody asked to see: on the console alone, whatever its level. */
void log_show(struct log *log, struct span text);
unsigned long log_warnings(struct log *log); /* how many warnings and errors so far */
