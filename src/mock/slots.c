#include "mock/slots.h"

#include "base/clock.h"
#include "mock/conn.h"
#include "mock/server.h"

static void wait_in_line(struct mock_slots *slots, struct mock_conn *conn)
{
    conn->turn = MOCK_TURN_WAITING;
    conn->ahead = slots->last;
    conn->behind = NULL;
    if (slots->last)
        slots->last->behind = conn;
    else
        slots->first = conn;
    slots->last = conn;
}

static void leave_line(struct mock_slots *slots, struct mock_conn *conn)
{
    if (conn->ahead)
        conn->ahead->behind = conn->behind;
    else
        slots->first = conn->behind;
    if (conn->behind)
        conn->behind->ahead = conn->ahead;
    else
        slots->last = conn->ahead;
    conn->ahead = conn->behind = NULL;
}

bool mock_slots_enter(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_slots *slots = &server->slots;
    if (!server->config->slots)
        return true;
    if (slots->busy >= server->config->slots) {
        wait_in_line(slots, conn);
        return false;
    }
    slots->busy++;
    conn->turn = MOCK_TURN_BEGUN;
    return true;
}

/* By its timer, not at once: an answer that breaks as it begins calls the next, and so on. */
static void call_next(struct mock_server *server)
{
    struct mock_conn *next = server->slots.first;
    if (!next)
        return;
    leave_line(&server->slots, next);
    server->slots.busy++;
    next->turn = MOCK_TURN_CALLED;
    mock_timer_set(&server->timers, &next->timer, clock_now_ns());
}

void mock_slots_leave(struct mock_server *server, struct mock_conn *conn)
{
    enum mock_turn turn = conn->turn;
    conn->turn = MOCK_TURN_NONE;
    if (turn == MOCK_TURN_WAITING)
        leave_line(&server->slots, conn);
    if (turn == MOCK_TURN_CALLED || turn == MOCK_TURN_BEGUN) {
        server->slots.busy--;
        call_next(server);
    }
}
