#include "model/exchange.h"

#include <stdlib.h>

#include "base/mem.h"

struct exchange *exchange_new(struct request *request, size_t head_limit, size_t body_limit)
{
    struct exchange *exchange = MEM_NEW(struct exchange);
    exchange->request = request;
    buf_init(&exchange->headers, head_limit);
    buf_init(&exchange->body, body_limit);
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    if (!exchange)
        return;
    request_free(exchange->request);
    buf_fini(&exchange->headers);
    buf_fini(&exchange->body);
    free(exchange->content_type);
    free(exchange->marks);
    free(exchange->error);
    free(exchange);
}

size_t exchange_bytes(const struct exchange *exchange)
{
    return sizeof *exchange + request_bytes(exchange->request) + exchange_answer_bytes(exchange);
}

static struct mark *mark_next(struct exchange *exchange)
{
    if (exchange->mark_count == exchange->mark_cap) {
        exchange->mark_cap = exchange->mark_cap ? exchange->mark_cap * 2 : 16;
        exchange->marks = mem_resize(exchange->marks, exchange->mark_cap, sizeof *exchange->marks);
    }
    return &exchange->marks[exchange->mark_count++];
}

bool exchange_read(struct exchange *exchange, const char *data, size_t len, uint64_t own_ns,
                   uint64_t kernel_ns)
{
    if (!buf_add(&exchange->body, data, len))
        return false;
    if (len == 0)
        return true;
    struct mark *mark = exchange->mark_count ? &exchange->marks[exchange->mark_count - 1] : NULL;
    if (!mark || mark->own_ns != own_ns || mark->kernel_ns != kernel_ns)
        mark = mark_next(exchange);
    *mark = (struct mark){
        .end = (uint64_t)exchange->body.len & INT64_MAX, .own_ns = own_ns, .kernel_ns = kernel_ns};
    return true;
}

void exchange_more(struct exchange *exchange)
{
    if (exchange->mark_count)
        exchange->marks[exchange->mark_count - 1].more = 1;
}

size_t exchange_mark_of(const struct exchange *exchange, uint64_t offset, size_t hint)
{
    size_t i = hint;
    while (i + 1 < exchange->mark_count && exchange->marks[i].end <= offset)
        i++;
    return i;
}
