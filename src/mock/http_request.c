#include "mock/http_request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_LINE = 4096,      /* of a chunk size with its extensions, or of one trailer */
    KEEP_BYTES = 16 << 10 /* a larger buffer is not kept for the next request */
};

void mock_http_init(struct mock_http *http, size_t max_body)
{
    *http = (struct mock_http){.state = MOCK_HTTP_HEAD};
    buf_init(&http->head, MOCK_HTTP_MAX_HEAD);
    buf_init(&http->line, MAX_LINE);
    buf_init(&http->body, max_body);
}

void mock_http_fini(struct mock_http *http)
{
    buf_fini(&http->head);
    buf_fini(&http->line);
    buf_fini(&http->body);
}

static void empty(struct buf *buf)
{
    if (buf->cap > KEEP_BYTES)
        buf_fini(buf);
    buf_clear(buf);
}

void mock_http_reset(struct mock_http *http)
{
    empty(&http->head);
    empty(&http->line);
    empty(&http->body);
    *http = (struct mock_http){.head = http->head, .line = http->line, .body = http->body};
}

/* Returns false, so that a failing check ends in one line. */
static bool refuse(struct mock_http *http, int status, const char *problem)
{
    http->state = MOCK_HTTP_BAD;
    http->status = status;
    http->problem = problem;
    return false;
}

/* ---- the head ---- */

static bool same_word(struct span span, const char *word)
{
    return span.len == strlen(word) && strncasecmp(span.data, word, span.len) == 0;
}

static struct span trimmed(struct span span)
{
    while (span.len && (span.data[0] == ' ' || span.data[0] == '\t'))
        span = span_of(span.data + 1, span.len - 1);
    while (span.len && strchr(" \t\r\n", span.data[span.len - 1]))
        span.len--;
    return span;
}

/* The part of *rest before `end`, which is skipped too; everything when it does not occur. */
static struct span cut(struct span *rest, char end)
{
    const char *at = rest->len ? memchr(rest->data, end, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->data) : rest->len;
    struct span piece = span_of(rest->data, len);
    *rest = span_of(rest->data + len + (at ? 1 : 0), rest->len - len - (at ? 1 : 0));
    return piece;
}

/* Does the comma-separated list hold the word? */
static bool list_has(struct span list, const char *word)
{
    while (list.len)
        if (same_word(trimmed(cut(&list, ',')), word))
            return true;
    return false;
}

static bool read_length(struct mock_http *http, struct span value)
{
    uint64_t length = 0;
    if (!value.len)
        return refuse(http, 400, "The Content-Length header is empty.");
    for (size_t i = 0; i < value.len; i++) {
        if (!isdigit((unsigned char)value.data[i]))
            return refuse(http, 400, "The Content-Length header is not a number.");
        length = length * 10 + (uint64_t)(value.data[i] - '0');
        if (length > http->body.limit)
            return refuse(http, 413, "The request's body is larger than this server accepts.");
    }
    if (http->has_length && length != http->left)
        return refuse(http, 400, "There are two different Content-Length headers.");
    http->has_length = true;
    http->left = length;
    return true;
}

static bool read_coding(struct mock_http *http, struct span value)
{
    if (http->chunked || !same_word(value, "chunked"))
        return refuse(http, 501, "The only transfer coding understood here is one 'chunked'.");
    http->chunked = true;
    return true;
}

static bool read_connection(struct mock_http *http, struct span value)
{
    http->close = http->close || list_has(value, "close");
    return true;
}

static bool read_expect(struct mock_http *http, struct span value)
{
    if (!same_word(value, "100-continue"))
        return refuse(http, 417, "The only expectation understood here is 100-continue.");
    http->expecting = true;
    return true;
}

static bool read_authorization(struct mock_http *http, struct span value)
{
    http->authorization = value;
    return true;
}

static bool read_host(struct mock_http *http, struct span value)
{
    (void)value;
    if (http->has_host)
        return refuse(http, 400, "There are two Host headers.");
    http->has_host = true;
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct mock_http *http, struct span value);
} headers[] = {
    {"content-length", read_length},
    {"transfer-encoding", read_coding},
    {"connection", read_connection},
    {"expect", read_expect},
    {"host", read_host},
    {"authorization", read_authorization},
};

static bool read_header(struct mock_http *http, struct span line)
{
    struct span value = line;
    struct span name = cut(&value, ':');
    if (name.len == line.len || !name.len)
        return refuse(http, 400, "A header line has no name or no colon.");
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] <= ' ')
            return refuse(http, 400, "A header's name holds white space.");
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (same_word(name, headers[i].name))
            return headers[i].read(http, trimmed(value));
    return true;
}

/* "/path?query" or "http://host/path?query". */
static bool read_target(struct mock_http *http, struct span target)
{
    if (target.len > 7 && strncasecmp(target.data, "http://", 7) == 0) {
        const char *slash = memchr(target.data + 7, '/', target.len - 7);
        if (slash)
            target = span_of(slash, target.len - (size_t)(slash - target.data));
    }
    if (!target.len || target.data[0] != '/')
        return refuse(http, 400, "The request line names no path.");
    http->query = target;
    http->path = cut(&http->query, '?');
    return true;
}

static bool read_request_line(struct mock_http *http, struct span line)
{
    struct span rest = line;
    http->method = cut(&rest, ' ');
    struct span target = cut(&rest, ' ');
    if (!http->method.len || !target.len || rest.len < 5 || memcmp(rest.data, "HTTP/", 5) != 0)
        return refuse(http, 400, "The request line is not 'METHOD PATH HTTP/1.1'.");
    http->old = span_equals(rest, "HTTP/1.0");
    if (!http->old && !span_equals(rest, "HTTP/1.1"))
        return refuse(http, 505, "The only versions spoken here are HTTP/1.1 and HTTP/1.0.");
    return read_target(http, target);
}

static struct span without_end(struct span line)
{
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool read_head(struct mock_http *http)
{
    struct span rest = buf_span(&http->head);
    if (!read_request_line(http, without_end(cut(&rest, '\n'))))
        return false;
    while (rest.len) {
        struct span line = without_end(cut(&rest, '\n'));
        if (line.len && !read_header(http, line))
            return false;
    }
    if (!http->has_host && !http->old)
        return refuse(http, 400, "An HTTP/1.1 request must have a Host header.");
    if (http->chunked && http->has_length)
        return refuse(http, 400, "Content-Length and Transfer-Encoding exclude each other.");
    return true;
}

static void begin_body(struct mock_http *http)
{
    if (http->chunked)
        http->state = MOCK_HTTP_CHUNK_SIZE;
    else
        http->state = http->left ? MOCK_HTTP_BODY : MOCK_HTTP_DONE;
}

static void end_head_line(struct mock_http *http)
{
    const char *start = http->head.data + http->line_start;
    size_t len = http->head.len - http->line_start;
    bool blank = len == 1 || (len == 2 && start[0] == '\r');
    if (!blank)
        http->line_start = http->head.len;
    else if (http->line_start == 0)
        buf_clear(&http->head); /* blank lines before a request are allowed */
    else if (read_head(http))
        begin_body(http);
}

static size_t step_head(struct mock_http *http, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);
    size_t taken = end ? (size_t)(end - bytes) + 1 : len;
    if (!buf_add(&http->head, bytes, taken))
        refuse(http, 431, "The request's header lines are longer than 64 KiB.");
    else if (end)
        end_head_line(http);
    return taken;
}

/* ---- the body ---- */

static size_t step_body(struct mock_http *http, const char *bytes, size_t len)
{
    size_t taken = len < http->left ? len : (size_t)http->left;
    buf_add(&http->body, bytes, taken); /* the limit was checked when the length was read */
    http->left -= taken;
    if (http->left == 0)
        http->state = http->state == MOCK_HTTP_BODY ? MOCK_HTTP_DONE : MOCK_HTTP_CHUNK_END;
    return taken;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void end_chunk_size(struct mock_http *http, struct span line)
{
    uint64_t size = 0;
    size_t digits = 0;
    for (; digits < line.len && hex_digit(line.data[digits]) >= 0; digits++) {
        size = size * 16 + (uint64_t)hex_digit(line.data[digits]);
        if (size > http->body.limit - http->body.len) {
            refuse(http, 413, "The request's body is larger than this server accepts.");
            return;
        }
    }
    if (digits == 0 || (digits < line.len && !strchr("; \t", line.data[digits]))) {
        refuse(http, 400, "A chunk of the request's body does not begin with its size.");
        return;
    }
    http->left = size;
    http->state = size ? MOCK_HTTP_CHUNK_DATA : MOCK_HTTP_TRAILER;
}

static void end_chunk(struct mock_http *http, struct span line)
{
    if (line.len)
        refuse(http, 400, "A chunk of the request's body is longer than its size says.");
    else
        http->state = MOCK_HTTP_CHUNK_SIZE;
}

static void end_trailer(struct mock_http *http, struct span line)
{
    http->trailer_len += line.len;
    if (http->trailer_len > MOCK_HTTP_MAX_HEAD)
        refuse(http, 431, "The request's trailers are longer than 64 KiB.");
    else if (line.len == 0)
        http->state = MOCK_HTTP_DONE;
}

static void end_line(struct mock_http *http, struct span line)
{
    if (http->state == MOCK_HTTP_CHUNK_SIZE)
        end_chunk_size(http, line);
    else if (http->state == MOCK_HTTP_CHUNK_END)
        end_chunk(http, line);
    else
        end_trailer(http, line);
}

static size_t step_line(struct mock_http *http, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);
    size_t taken = end ? (size_t)(end - bytes) + 1 : len;
    if (!buf_add(&http->line, bytes, taken)) {
        refuse(http, 400, "A line between the chunks of the request's body is too long.");
    } else if (end) {
        end_line(http, without_end(span_of(http->line.data, http->line.len - 1)));
        buf_clear(&http->line);
    }
    return taken;
}

size_t mock_http_feed(struct mock_http *http, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && http->state < MOCK_HTTP_DONE) {
        const char *rest = bytes + at;
        if (http->state == MOCK_HTTP_HEAD)
            at += step_head(http, rest, len - at);
        else if (http->state == MOCK_HTTP_BODY || http->state == MOCK_HTTP_CHUNK_DATA)
            at += step_body(http, rest, len - at);
        else
            at += step_line(http, rest, len - at);
    }
    http->bytes += at;
    return at;
}

struct span mock_http_header(const struct mock_http *http, const char *name)
{
    struct span rest = buf_span(&http->head);
    cut(&rest, '\n'); /* the request line */
    while (rest.len) {
        struct span value = cut(&rest, '\n');
        if (same_word(cut(&value, ':'), name))
            return trimmed(value);
    }
    return span_of("", 0);
}
