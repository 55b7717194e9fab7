#include "wire/sse.h"

/* What the handling of one call's lines needs besides the stream's own state. */
struct pass {
    struct sse *sse;
    sse_item_fn *fn;
    void *arg;
    uint64_t last_byte; /* of the item at hand */
    bool borrowed;      /* the line at hand lies in the fed bytes, which outlive it */
    bool unfinished;
};

void sse_init(struct sse *sse, size_t limit)
{
    *sse = (struct sse){.stopped = false};
    struct buf *bufs[] = {&sse->line, &sse->data, &sse->name, &sse->id};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_init(bufs[i], limit);
}

void sse_fini(struct sse *sse)
{
    buf_fini(&sse->line);
    buf_fini(&sse->data);
    buf_fini(&sse->name);
    buf_fini(&sse->id);
}

static bool deliver(struct pass *pass, struct sse_item item)
{
    item.last_byte = pass->last_byte;
    item.unfinished = pass->unfinished;
    return pass->fn(pass->arg, &item);
}

/* ---- fields ---- */

static bool move_to(struct buf *buf, struct span *now)
{
    buf_clear(buf);
    bool ok = buf_add_span(buf, *now);
    *now = buf_span(buf);
    return ok;
}

static bool take_data(struct pass *pass, struct span value)
{
    struct sse *sse = pass->sse;
    if (!sse->has_data) {
        sse->has_data = true;
        sse->data_now = value;
        return pass->borrowed || move_to(&sse->data, &sse->data_now);
    }
    if (sse->data_now.data != sse->data.data && !move_to(&sse->data, &sse->data_now))
        return false;
    bool ok = buf_add_char(&sse->data, '\n') && buf_add_span(&sse->data, value);
    sse->data_now = buf_span(&sse->data);
    return ok;
}

static bool take_event(struct pass *pass, struct span value)
{
    pass->sse->name_now = value;
    return pass->borrowed || move_to(&pass->sse->name, &pass->sse->name_now);
}

static bool take_id(struct pass *pass, struct span value)
{
    if (value.len > 0 && memchr(value.data, '\0', value.len))
        return true;
    buf_clear(&pass->sse->id);
    return buf_add_span(&pass->sse->id, value);
}

static bool take_retry(struct pass *pass, struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < '0' || value.data[i] > '9')
            return true;
    return value.len == 0 || deliver(pass, (struct sse_item){.kind = SSE_RETRY, .data = value});
}

static const struct field {
    const char *name;
    bool (*take)(struct pass *pass, struct span value);
} fields[] = {
    {.name = "data", .take = take_data},
    {.name = "event", .take = take_event},
    {.name = "id", .take = take_id},
    {.name = "retry", .take = take_retry},
};

/* ---- lines ---- */

static bool dispatch(struct pass *pass)
{
    struct sse *sse = pass->sse;
    struct sse_item item = {
        .kind = SSE_EVENT, .data = sse->data_now, .name = sse->name_now, .id = buf_span(&sse->id)};
    bool ok = !sse->has_data || deliver(pass, item);
    sse->has_data = false;
    sse->data_now = sse->name_now = span_of(NULL, 0);
    return ok;
}

static bool take_field(struct pass *pass, struct span line)
{
    const char *colon = memchr(line.data, ':', line.len);
    struct span name = line, value = span_of(line.data + line.len, 0);
    if (colon) {
        name.len = (size_t)(colon - line.data);
        value = span_of(colon + 1, line.len - name.len - 1);
    }
    if (value.len > 0 && value.data[0] == ' ')
        value = span_of(value.data + 1, value.len - 1);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (span_equals(name, fields[i].name))
            return fields[i].take(pass, value);
    return deliver(pass,
                   (struct sse_item){.kind = SSE_FIELD, .name = name, .data = value, .line = line});
}

static bool take_line(struct pass *pass, struct span line)
{
    struct sse *sse = pass->sse;
    if (line.len > sse->line.limit) {
        sse->line.full = true;
        return false;
    }
    if (!sse->begun && line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0)
        line = span_of(line.data + 3, line.len - 3);
    sse->begun = true;
    if (line.len == 0)
        return dispatch(pass);
    if (line.data[0] == ':')
        return deliver(pass, (struct sse_item){.kind = SSE_COMMENT,
                                               .data = span_of(line.data + 1, line.len - 1)});
    return take_field(pass, line);
}

/* ---- pieces ---- */

/* The rest of a fed piece, with the next of each line end (or `end`), found once. */
struct piece {
    const char *begin, *at, *end;
    const char *lf, *cr;
};

static const char *find(const struct piece *piece, char c)
{
    const char *found = memchr(piece->at, c, (size_t)(piece->end - piece->at));
    return found ? found : piece->end;
}

/* The next line end in the piece, or its end. */
static const char *line_end(struct piece *piece)
{
    if (piece->lf < piece->at)
        piece->lf = find(piece, '\n');
    if (piece->cr < piece->at)
        piece->cr = find(piece, '\r');
    return piece->lf < piece->cr ? piece->lf : piece->cr;
}

/* A LF after the CR that ended a line is the rest of that line end. */
static void pass_crlf(struct sse *sse, struct piece *piece)
{
    if (sse->after_cr && *piece->at == '\n')
        piece->at++;
    sse->after_cr = false;
}

static bool take_piece_line(struct pass *pass, struct piece *piece, const char *stop)
{
    struct sse *sse = pass->sse;
    struct span rest = span_of(piece->at, (size_t)(stop - piece->at));
    pass->last_byte = sse->offset + (uint64_t)(stop - piece->begin);
    pass->borrowed = sse->line.len == 0;
    sse->after_cr = *stop == '\r';
    piece->at = stop + 1;
    if (pass->borrowed)
        return take_line(pass, rest);
    bool ok = buf_add_span(&sse->line, rest) && take_line(pass, buf_span(&sse->line));
    sse->line.len = 0;
    return ok;
}

/* Copies what still points into the fed bytes. */
static bool keep(struct sse *sse, struct piece *piece)
{
    if (sse->has_data && sse->data_now.data != sse->data.data)
        move_to(&sse->data, &sse->data_now);
    if (sse->name_now.data != sse->name.data)
        move_to(&sse->name, &sse->name_now);
    return buf_add(&sse->line, piece->at, (size_t)(piece->end - piece->at));
}

static bool feed(struct pass *pass, struct piece *piece)
{
    while (piece->at < piece->end) {
        pass_crlf(pass->sse, piece);
        if (piece->at == piece->end)
            break;
        const char *stop = line_end(piece);
        if (stop == piece->end)
            break;
        if (!take_piece_line(pass, piece, stop))
            return false;
    }
    return keep(pass->sse, piece);
}

bool sse_feed(struct sse *sse, const char *bytes, size_t len, sse_item_fn *fn, void *arg)
{
    if (sse->stopped || len == 0)
        return !sse->stopped;
    struct pass pass = {.sse = sse, .fn = fn, .arg = arg};
    struct piece piece = {.begin = bytes, .at = bytes, .end = bytes + len};
    piece.lf = find(&piece, '\n');
    piece.cr = find(&piece, '\r');
    sse->stopped = !feed(&pass, &piece);
    sse->offset += len;
    return !sse->stopped;
}

bool sse_end(struct sse *sse, sse_item_fn *fn, void *arg)
{
    if (sse->stopped)
        return false;
    struct pass pass = {.sse = sse, .fn = fn, .arg = arg, .unfinished = true};
    pass.last_byte = sse->offset ? sse->offset - 1 : 0;
    sse->stopped = true;
    bool ok = sse->line.len == 0 || take_line(&pass, buf_span(&sse->line));
    return ok && dispatch(&pass);
}
