/* Which request gets which answer, and the answers that are sent at once. */
#pragma once

#include "mock/conn.h"
#include "mock/openai_request.h"
#include "mock/server.h"

/* A request has been read or was refused by the parser. */
void mock_route(struct mock_server *server, struct mock_conn *conn);
/* Makes a whole answer of server->event as its JSON body, in server->out. `header` is a further
 * header line with its line end, or NULL. */
void mock_write_reply(struct mock_server *server, const struct mock_conn *conn, int status,
                      const char *header);
/* Sends server->event as the JSON body of a whole answer and ends it. */
void mock_reply(struct mock_server *server, struct mock_conn *conn, int status, const char *header);
void mock_reply_refusal(struct mock_server *server, struct mock_conn *conn,
                        const struct mock_refusal *no);
