/* Which request gets which answer, and the answers that are sent at once. */
#pragma once

#include "mock/conn.h"
#include "mock/server.h"

/* A request has been read or was refused by the parser. */
void mock_route(struct mock_server *server, struct mock_conn *conn);
/* What the request's endpoint looks like; the dialect's own shape when it has none. */
const struct mock_shape *mock_shape_of(const struct mock_server *server,
                                       const struct mock_conn *conn);
/* The `serve` of endpoints that generate text. */
void mock_generate(struct mock_server *server, struct mock_conn *conn);

/* Makes a whole answer of server->event as its JSON body, in server->out. `header` is a further
 * header line with its line end, or NULL. */
void mock_write_reply(struct mock_server *server, const struct mock_conn *conn, int status,
                      const char *header);
/* Sends server->event as the JSON body of a whole answer and ends it. */
void mock_reply(struct mock_server *server, struct mock_conn *conn, int status, const char *header);
/* Counts the error that the API itself has found and sends it in the dialect's words; some dialects
 * do not show it as a status. */
void mock_reply_own_refusal(struct mock_server *server, struct mock_conn *conn,
                            struct mock_refusal *no);
