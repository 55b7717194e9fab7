/* A server that works on so many answers at once: further requests wait in line, in the order in
 * which they came, and have been sent nothing until their turn. With S slots and T seconds an
 * answer it can serve S/T requests a second. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mock_conn;
struct mock_server;

/* Where an answer stands; without a limit all have MOCK_TURN_NONE. */
enum mock_turn {
    MOCK_TURN_NONE,
    MOCK_TURN_WAITING,
    MOCK_TURN_CALLED, /* has a slot; begins when its timer fires */
    MOCK_TURN_BEGUN,
};

struct mock_slots {
    uint64_t busy;
    struct mock_conn *first, *last; /* those that wait */
};

/* True: the answer may begin now. Else it waits. */
bool mock_slots_enter(struct mock_server *server, struct mock_conn *conn);
/* The answer is over, or its connection: the next one is called. */
void mock_slots_leave(struct mock_server *server, struct mock_conn *conn);
