/* The life of one answer: when what is sent, and the faults that a URL may ask for. */
#pragma once

#include "mock/conn.h"
#include "mock/server.h"

/* The answer's length by the request's and the URL's wishes; false when it would be too long. */
bool mock_answer_plan(struct mock_server *server, struct mock_conn *conn,
                      struct mock_refusal *no) MUST_CHECK;
/* Starts an answer whose ask, overrides, number and read_ns are set and which has been planned. */
void mock_answer_begin(struct mock_server *server, struct mock_conn *conn);
/* Begins what a server that behaves answers, at begun_ns. */
void mock_answer_usual(struct mock_server *server, struct mock_conn *conn, uint64_t begun_ns);
/* Its next send is due. */
void mock_answer_due(struct mock_server *server, struct mock_conn *conn);
/* The client has read what blocked the answer. */
void mock_answer_resume(struct mock_server *server, struct mock_conn *conn);
/* Releases what it owns; may be called twice. */
void mock_answer_fini(struct mock_conn *conn);
