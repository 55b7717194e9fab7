#include "wire/ndjson.h"

void ndjson_init(struct ndjson *ndjson, size_t limit)
{
    *ndjson = (struct ndjson){.offset = 0};
    buf_init(&ndjson->line, limit);
}

void ndjson_fini(struct ndjson *ndjson)
{
    buf_fini(&ndjson->line);
}

static bool blank(struct span line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}

static bool take_line(struct ndjson *ndjson, struct ndjson_item item, ndjson_item_fn *fn, void *arg)
{
    if (item.data.len > ndjson->line.limit) {
        ndjson->line.full = true;
        return false;
    }
    if (blank(item.data))
        return true;
    if (item.data.data[item.data.len - 1] == '\r')
        item.data.len--;
    return fn(arg, &item);
}

static bool feed(struct ndjson *ndjson, struct span piece, ndjson_item_fn *fn, void *arg)
{
    const char *at = piece.data, *end = piece.data + piece.len, *lf;
    while ((lf = memchr(at, '\n', (size_t)(end - at)))) {
        struct ndjson_item item = {.data = span_of(at, (size_t)(lf - at)),
                                   .last_byte = ndjson->offset + (uint64_t)(lf - piece.data)};
        if (ndjson->line.len > 0) {
            if (!buf_add_span(&ndjson->line, item.data))
                return false;
            item.data = buf_span(&ndjson->line);
            ndjson->line.len = 0;
        }
        if (!take_line(ndjson, item, fn, arg))
            return false;
        at = lf + 1;
    }
    return buf_add(&ndjson->line, at, (size_t)(end - at));
}

bool ndjson_feed(struct ndjson *ndjson, const char *bytes, size_t len, ndjson_item_fn *fn,
                 void *arg)
{
    if (ndjson->stopped || len == 0)
        return !ndjson->stopped;
    ndjson->stopped = !feed(ndjson, span_of(bytes, len), fn, arg);
    ndjson->offset += len;
    return !ndjson->stopped;
}

bool ndjson_end(struct ndjson *ndjson, ndjson_item_fn *fn, void *arg)
{
    if (ndjson->stopped)
        return false;
    ndjson->stopped = true;
    struct ndjson_item item = {.data = buf_span(&ndjson->line),
                               .last_byte = ndjson->offset ? ndjson->offset - 1 : 0,
                               .unfinished = true};
    return take_line(ndjson, item, fn, arg);
}
