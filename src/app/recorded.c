#include "app/recorded.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

enum { HEADERS_LIMIT = 256 << 10, CHUNK_DIGITS = 8 };

void recorded_fini(struct recorded *recorded)
{
    buf_fini(&recorded->headers);
    buf_fini(&recorded->body);
    free(recorded->content_type);
    *recorded = (struct recorded){0};
}

static bool begins(struct span text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

static struct span rest_of(struct span text, size_t from)
{
    return span_of(text.data + from, text.len - from);
}

/* Takes a line off the text; it comes without its end. False when no line ends in it. */
static bool take_line(struct span *text, struct span *line)
{
    const char *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    if (!end)
        return false;
    size_t len = (size_t)(end - text->data);
    *line = span_of(text->data, len && end[-1] == '\r' ? len - 1 : len);
    *text = rest_of(*text, len + 1);
    return true;
}

/* ---- the head ---- */

/* "HTTP/1.1 200 OK"; 0 when it is no status line. */
static int status_of(struct span line)
{
    const char *blank = memchr(line.data, ' ', line.len);
    size_t at = blank ? (size_t)(blank - line.data) + 1 : line.len;
    int status = 0;
    for (size_t i = at; i < at + 3; i++) {
        if (i >= line.len || line.data[i] < '0' || line.data[i] > '9')
            return 0;
        status = status * 10 + (line.data[i] - '0');
    }
    return status >= 100 && (at + 3 == line.len || line.data[at + 3] == ' ') ? status : 0;
}

/* Its value without blanks around it, if the line is the header of that name. */
static bool header_named(struct span line, const char *name, struct span *value)
{
    size_t len = strlen(name);
    if (line.len <= len || line.data[len] != ':' || strncasecmp(line.data, name, len) != 0)
        return false;
    *value = rest_of(line, len + 1);
    while (value->len && strchr(" \t", value->data[0]))
        *value = rest_of(*value, 1);
    while (value->len && strchr(" \t", value->data[value->len - 1]))
        value->len--;
    return true;
}

struct head {
    bool chunked, encoded;
    uint64_t length; /* UINT64_MAX = not said */
};

static bool take_length(struct span value, struct head *head, struct err *err)
{
    uint64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || length > RECORDED_LIMIT)
            return err_set(err, "its Content-Length is \"%.*s\"; it must be a number of bytes",
                           (int)(value.len > 40 ? 40 : value.len), value.data);
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    head->length = length;
    return true;
}

static bool take_header(struct recorded *recorded, struct span line, struct head *head,
                        struct err *err)
{
    struct span value;
    buf_add_span(&recorded->headers, line);
    buf_add_text(&recorded->headers, "\r\n");
    if (header_named(line, "Content-Length", &value))
        return take_length(value, head, err);
    if (header_named(line, "Content-Type", &value)) {
        free(recorded->content_type);
        recorded->content_type = mem_copy(value.data, value.len);
    }
    head->chunked = head->chunked || header_named(line, "Transfer-Encoding", &value);
    head->encoded = head->encoded || header_named(line, "Content-Encoding", &value);
    return true;
}

static bool take_head(struct recorded *recorded, struct span *text, struct head *head,
                      struct err *err)
{
    struct span line = *text;
    *head = (struct head){.length = UINT64_MAX};
    buf_clear(&recorded->headers);
    free(recorded->content_type);
    recorded->content_type = NULL;
    if (!take_line(text, &line) || !(recorded->status = status_of(line)))
        return err_set(err, "it begins with \"%.*s\", which is no status line of HTTP",
                       (int)(line.len > 40 ? 40 : line.len), line.data);
    while (take_line(text, &line)) {
        if (line.len == 0)
            return !recorded->headers.full ||
                   err_set(err, "its headers have more than %d bytes", HEADERS_LIMIT);
        if (!take_header(recorded, line, head, err))
            return false;
    }
    return err_set(err, "its headers have no end: an empty line is wanted before the body");
}

/* ---- the body ---- */

/* "1a" or "1a;name=value". */
static bool chunk_size(struct span line, size_t *size)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    *size = 0;
    for (; at < line.len && line.data[at] && at <= CHUNK_DIGITS; at++) {
        const char *digit = strchr(digits, line.data[at] | 0x20);
        if (!digit)
            break;
        *size = *size * 16 + (size_t)(digit - digits);
    }
    return at > 0 && at <= CHUNK_DIGITS &&
           (at == line.len || line.data[at] == ';' || line.data[at] == ' ');
}

/* Whether the body is in chunks at all: curl writes it without them under the same header. */
static bool in_chunks(struct span text)
{
    struct span line;
    size_t size = 0;
    return text.len == 0 || (take_line(&text, &line) && chunk_size(line, &size));
}

static void take_chunks(struct recorded *recorded, struct span text)
{
    struct span line;
    size_t size = 0;
    while (take_line(&text, &line) && chunk_size(line, &size)) {
        if (size == 0)
            return;
        size_t have = size < text.len ? size : text.len;
        buf_add(&recorded->body, text.data, have);
        text = rest_of(text, have);
        if (have < size || !take_line(&text, &line) || line.len)
            break;
    }
    recorded->broken = "the recording ends before the last chunk";
}

static void take_plain(struct recorded *recorded, struct span text, const struct head *head)
{
    bool counts = head->length != UINT64_MAX && !head->encoded && !head->chunked;
    if (counts && text.len < head->length)
        recorded->broken = "the recording is shorter than its Content-Length";
    if (counts && text.len > head->length) {
        recorded->note = "what follows the end that Content-Length tells is left out";
        text.len = (size_t)head->length;
    }
    buf_add_span(&recorded->body, text);
}

bool recorded_parse(struct recorded *recorded, struct span bytes, struct err *err)
{
    struct head head = {.length = UINT64_MAX};
    *recorded = (struct recorded){.status = 200};
    buf_init(&recorded->headers, HEADERS_LIMIT);
    buf_init(&recorded->body, RECORDED_LIMIT);
    /* An interim response (100) or that of a proxy stands before the final one. */
    while (begins(bytes, "HTTP/"))
        if (!take_head(recorded, &bytes, &head, err))
            return false;
    if (head.chunked && in_chunks(bytes))
        take_chunks(recorded, bytes);
    else
        take_plain(recorded, bytes, &head);
    return true;
}
