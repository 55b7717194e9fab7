/* A scenario on its way: which step of it a connection has reached. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock/scenario.h"

struct mock_server;
struct mock_conn;

/* Embedded in its connection; starts zeroed. */
struct mock_scene {
    const struct mock_scenario *scenario; /* borrowed */
    size_t at;      /* the step that comes; stays over the requests of a connection */
    size_t dripped; /* bytes of it that are out */
    uint64_t left[MOCK_SCENARIO_DEPTH]; /* rounds of the repeats that are open */
    size_t depth;
    bool playing; /* its steps are what is sent */
};

/* Serves a request by conn->answer.scenario: from where it stands if it has served this connection
 * before. */
void mock_scene_begin(struct mock_server *server, struct mock_conn *conn);
/* Its next step is due. */
void mock_scene_due(struct mock_server *server, struct mock_conn *conn);
