#include "model/request.h"

#include <stdlib.h>
#include <string.h>

void request_free(struct request *request)
{
    if (!request)
        return;
    free(request->url);
    free(request->method);
    list_fini(&request->headers);
    free(request->body);
    free(request->prompt);
    free(request->user);
    free(request->fault);
    free(request);
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

size_t request_bytes(const struct request *request)
{
    size_t bytes = sizeof *request + request->body_len + request->prompt_len + request->user_len;
    for (size_t i = 0; i < request->headers.count; i++)
        bytes += sizeof *request->headers.items + text_bytes(request->headers.items[i]);
    return bytes + text_bytes(request->url) + text_bytes(request->method) +
           text_bytes(request->fault);
}
