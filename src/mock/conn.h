/* One connection: its bytes in and out, its states, its end. Decides when a request is complete and
 * when an answer has left; what the answer is, routes.c and answer.c decide. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rng.h"
#include "base/span.h"
#include "mock/dialect.h"
#include "mock/http_request.h"
#include "mock/scene.h"
#include "mock/server.h"
#include "mock/slots.h"
#include "mock/timers.h"

enum mock_conn_state {
    MOCK_CONN_READING,   /* waits for a request or reads one */
    MOCK_CONN_ANSWERING, /* the answer is on its way */
    MOCK_CONN_HELD,      /* nothing more will be said; the client has to go */
    MOCK_CONN_CLOSING,   /* all is said; reads what the client still sends, so that the close does
                            not destroy the answer */
    MOCK_CONN_DEAD,
};

/* How far an answer has come; only while MOCK_CONN_ANSWERING. */
struct mock_progress {
    uint64_t due_ns;     /* of the next send */
    uint64_t events;     /* token events sent */
    bool headed;         /* the HTTP head has been written */
    uint64_t groups;     /* sends of token events */
    struct rng rng;      /* jitter and cuts */
    bool late_by_client; /* the next send had to wait for the client to read */
};

struct mock_conn {
    enum mock_conn_state state;
    int fd;
    struct mock_conn *prev, *next;
    struct mock_timer timer;
    unsigned interest; /* epoll events asked for */
    bool eof;          /* the client will send nothing more */
    bool deaf;         /* further requests wait in the socket until the answer is out */
    bool continued;    /* 100 Continue has been sent for this request */
    bool last;         /* to be closed after this answer */
    bool ended;        /* the answer's last byte is in `out` or sent */
    bool hold;         /* … and then the connection is held open */
    bool in_flight;    /* counted so in the statistics */
    bool uncounted;    /* a look at the server, not part of the run */
    bool kept;         /* has had an answer */
    enum mock_turn turn;
    struct mock_conn *ahead, *behind; /* neighbours in the line of those that wait for a slot */
    const struct mock_route *route;   /* of the request; NULL = none fits */
    struct mock_http http;
    struct buf in;  /* bytes after the request being answered */
    struct buf out; /* bytes that the socket would not take yet */
    size_t out_sent;
    struct mock_answer answer;
    struct mock_progress progress;
    struct mock_scene scene;
};

void mock_conn_open(struct mock_server *server, int fd);
/* The socket is ready. */
void mock_conn_ready(struct mock_server *server, struct mock_conn *conn, unsigned events);
/* Its timer has fired. */
void mock_conn_due(struct mock_server *server, struct mock_conn *conn);
void mock_conn_close(struct mock_server *server, struct mock_conn *conn);
/* Frees what was closed in this turn. */
void mock_conn_bury(struct mock_server *server);

/* Sends what it can and keeps the rest for when the socket is writable. False when the connection
 * is dead. */
bool mock_conn_send(struct mock_server *server, struct mock_conn *conn, struct span bytes);
/* The answer's last byte has been given to mock_conn_send. */
void mock_conn_end_answer(struct mock_server *server, struct mock_conn *conn);
/* Closes at once; `reset`: by RST. */
void mock_conn_drop(struct mock_server *server, struct mock_conn *conn, bool reset);
/* The answer stops in its middle and the connection stays open. */
void mock_conn_stall(struct mock_server *server, struct mock_conn *conn);

static inline bool mock_conn_blocked(const struct mock_conn *conn)
{
    return conn->out.len > conn->out_sent;
}
