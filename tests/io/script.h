/* Shorthand for the scripts of peer.h. */
#pragma once

#include "peer.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define CHUNKED OK_HEAD "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
#define LENGTH(n) OK_HEAD "Connection: close\r\nContent-Length: " #n "\r\n\r\n"
#define KEPT_CHUNKED OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define KEPT_LENGTH(n) OK_HEAD "Content-Length: " #n "\r\n\r\n"
#define DONE "data: [DONE]"

#define REQ                                                                                        \
    {                                                                                              \
        .kind = ACT_REQUEST                                                                        \
    }
#define SEND(text)                                                                                 \
    {                                                                                              \
        .kind = ACT_SEND, .bytes = (text)                                                          \
    }
#define SENDN(array, n)                                                                            \
    {                                                                                              \
        .kind = ACT_SEND, .bytes = (array), .len = (n)                                             \
    }
#define TRICKLE(text, n)                                                                           \
    {                                                                                              \
        .kind = ACT_TRICKLE, .bytes = (text), .ms = (n)                                            \
    }
#define PAUSE(n)                                                                                   \
    {                                                                                              \
        .kind = ACT_PAUSE, .ms = (n)                                                               \
    }
#define RESET                                                                                      \
    {                                                                                              \
        .kind = ACT_RESET                                                                          \
    }
#define HOLD                                                                                       \
    {                                                                                              \
        .kind = ACT_HOLD                                                                           \
    }
#define ECHO(n)                                                                                    \
    {                                                                                              \
        .kind = ACT_ECHO, .ms = (n)                                                                \
    }
#define SCRIPT(...)                                                                                \
    (const struct act[])                                                                           \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            .kind = ACT_END                                                                        \
        }                                                                                          \
    }
