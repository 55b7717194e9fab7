#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/tame.h"

#define LONGEST_MESSAGE ((size_t)64 * 1024)
#define EARLY_LIMIT ((size_t)1024 * 1024)

static const char clear_line[] = "\r\033[K";

static const struct {
    const char *console; /* after "llmbench: " */
    const char *file;
} levels[] = {
    [LOG_DEBUG] = {"debug: ", "debug"}, [LOG_NOTE] = {"", "info"},
    [LOG_INFO] = {"", "info"},          [LOG_WARN] = {"warning: ", "warning"},
    [LOG_ERROR] = {"error: ", "error"},
};

struct log {
    pthread_mutex_t lock;
    enum log_level console;
    struct secrets *secrets; /* borrowed */
    char *path;              /* of the file, for the complaint when it cannot be written */
    int file;                /* -1 = none */
    struct buf early;        /* what the file gets when it is opened */
    bool opened;             /* a file was opened once; if it is gone, nothing is kept for it */
    bool live;
    unsigned long warnings;
};

struct log *log_new(enum log_level console, struct secrets *secrets)
{
    struct log *log = MEM_NEW(struct log);
    pthread_mutex_init(&log->lock, NULL);
    log->console = console;
    log->secrets = secrets;
    log->file = -1;
    buf_init(&log->early, EARLY_LIMIT);
    return log;
}

void log_set_console(struct log *log, enum log_level console)
{
    pthread_mutex_lock(&log->lock);
    log->console = console;
    pthread_mutex_unlock(&log->lock);
}

static void close_file(struct log *log)
{
    if (log->file >= 0)
        close(log->file);
    log->file = -1;
    free(log->path);
    log->path = NULL;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    close_file(log);
    buf_fini(&log->early);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void log_set_live(struct log *log, bool live)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->live = live;
    pthread_mutex_unlock(&log->lock);
}

/* The message with secrets hidden and without its final newlines. */
static struct span tidy(struct log *log, const char *text, struct buf *hidden)
{
    secrets_hide(log->secrets, span_text(text), hidden);
    while (hidden->len && hidden->data[hidden->len - 1] == '\n')
        hidden->len--;
    return buf_span(hidden);
}

static void add_message(struct buf *out, struct span text)
{
    size_t len = text.len;
    if (len > LONGEST_MESSAGE) {
        len = LONGEST_MESSAGE;
        while (len && (text.data[len] & 0xc0) == 0x80) /* not within a character */
            len--;
    }
    tame(out, span_of(text.data, len), true);
    if (len < text.len)
        buf_printf(out, " … (%zu more bytes)", text.len - len);
    buf_add_char(out, '\n');
}

/* One write a message, so that lines of several threads (or processes) do not mix. */
static bool write_all(int fd, const struct buf *line)
{
    size_t done = 0;
    while (done < line->len) {
        ssize_t n = write(fd, line->data + done, line->len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static void write_console(struct log *log, enum log_level level, struct span text)
{
    struct buf line;
    buf_init(&line, 8 * LONGEST_MESSAGE);
    if (log->live)
        buf_add_text(&line, clear_line);
    buf_printf(&line, "llmbench: %s", levels[level].console);
    add_message(&line, text);
    fwrite(line.data, 1, line.len, stderr);
    buf_fini(&line);
}

static void write_to_file(struct log *log, const struct buf *lines)
{
    if (write_all(log->file, lines))
        return;
    char *complaint = mem_printf("cannot write the log file '%s': %s; no more goes into it",
                                 log->path, strerror(errno));
    close_file(log);
    log->warnings++;
    write_console(log, LOG_WARN, span_text(complaint));
    free(complaint);
}

static void write_file(struct log *log, enum log_level level, struct span text)
{
    char date[32];
    uint64_t now = clock_wall_ns();
    clock_format(date, sizeof date, "%Y-%m-%d %H:%M:%S", now);
    struct buf line;
    buf_init(&line, 8 * LONGEST_MESSAGE);
    buf_printf(&line, "%s.%03u %s: ", date, (unsigned)(now % NS_PER_S / NS_PER_MS),
               levels[level].file);
    add_message(&line, text);
    if (log->file < 0)
        buf_add_span(&log->early, buf_span(&line));
    else
        write_to_file(log, &line);
    buf_fini(&line);
}

bool log_open_file(struct log *log, const char *path, struct err *err)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        return err_set(err, "cannot open the log file '%s': %s", path, strerror(errno));
    pthread_mutex_lock(&log->lock);
    close_file(log);
    log->file = file;
    log->path = mem_text(path);
    log->opened = true;
    write_to_file(log, &log->early);
    if (log->early.full)
        write_file(log, LOG_WARN, span_text("more lines came before this file was opened"));
    buf_fini(&log->early);
    pthread_mutex_unlock(&log->lock);
    return true;
}

static void write_message(struct log *log, enum log_level level, const char *message)
{
    struct buf hidden;
    buf_init(&hidden, SIZE_MAX / 4);
    struct span text = tidy(log, message, &hidden);
    pthread_mutex_lock(&log->lock);
    if (level >= LOG_WARN)
        log->warnings++;
    if (level >= log->console)
        write_console(log, level, text);
    if (level > LOG_DEBUG && !(log->file < 0 && log->opened))
        write_file(log, level, text);
    pthread_mutex_unlock(&log->lock);
    buf_fini(&hidden);
}

void log_write(struct log *log, enum log_level level, const char *format, ...)
{
    if (!log || (level == LOG_DEBUG && log->console > LOG_DEBUG))
        return;
    int saved = errno;
    char *message = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&message, format, args) >= 0) {
        write_message(log, level, message);
        free(message);
    }
    va_end(args);
    errno = saved;
}

void log_show(struct log *log, struct span text)
{
    struct buf shown;
    if (!log)
        return;
    buf_init(&shown, SIZE_MAX / 4);
    pthread_mutex_lock(&log->lock);
    if (log->live)
        buf_add_text(&shown, clear_line);
    secrets_hide(log->secrets, text, &shown);
    fwrite(shown.data, 1, shown.len, stderr);
    pthread_mutex_unlock(&log->lock);
    buf_fini(&shown);
}

unsigned long log_warnings(struct log *log)
{
    if (!log)
        return 0;
    pthread_mutex_lock(&log->lock);
    unsigned long warnings = log->warnings;
    pthread_mutex_unlock(&log->lock);
    return warnings;
}
