#include "mock/scene.h"

#include "base/clock.h"
#include "mock/answer.h"
#include "mock/conn.h"

enum { STEPS_PER_LOOK = 16 }; /* before others have their turn */

static void go_on_at(struct mock_server *server, struct mock_conn *conn, uint64_t ns)
{
    mock_timer_set(&server->timers, &conn->timer, clock_now_ns() + ns);
}

/* The answer is over, the connection lives on. */
static void end_answer(struct mock_server *server, struct mock_conn *conn)
{
    conn->scene.playing = false;
    mock_conn_end_answer(server, conn);
}

/* True: goes on at once. Else the socket is full, and flushing it goes on, or the client is gone.
 */
static bool send_bytes(struct mock_server *server, struct mock_conn *conn, struct span bytes)
{
    server->stats.sends++;
    return mock_conn_send(server, conn, bytes) && !mock_conn_blocked(conn);
}

static void drip(struct mock_server *server, struct mock_conn *conn, const struct mock_step *step)
{
    struct mock_scene *scene = &conn->scene;
    const char *byte = step->bytes + scene->dripped;
    if (++scene->dripped == step->len) {
        scene->dripped = 0;
        scene->at++;
    }
    if (send_bytes(server, conn, span_of(byte, 1)))
        go_on_at(server, conn, step->ns);
}

static void loop_back(struct mock_scene *scene, const struct mock_step *end)
{
    uint64_t *left = &scene->left[scene->depth - 1];
    if (*left != UINT64_MAX && --*left == 0) {
        scene->depth--;
        scene->at++;
    } else {
        scene->at = end->jump + 1;
    }
}

/* The steps after which nothing of this scenario follows on its own. */
static void leave(struct mock_server *server, struct mock_conn *conn, enum mock_step_kind kind)
{
    conn->scene.playing = false;
    if (kind == MOCK_STEP_ANSWER)
        mock_answer_usual(server, conn, clock_now_ns());
    else if (kind == MOCK_STEP_NEXT)
        end_answer(server, conn);
    else if (kind == MOCK_STEP_STALL)
        mock_conn_stall(server, conn);
    else
        mock_conn_drop(server, conn, kind == MOCK_STEP_RESET);
}

/* True: the next step may follow at once. */
static bool take_step(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_scene *scene = &conn->scene;
    if (scene->at == scene->scenario->count) {
        end_answer(server, conn);
        return false;
    }
    const struct mock_step *step = &scene->scenario->steps[scene->at];
    switch (step->kind) {
    case MOCK_STEP_SEND:
        scene->at++;
        return send_bytes(server, conn, span_of(step->bytes, step->len));
    case MOCK_STEP_DRIP: drip(server, conn, step); return false;
    case MOCK_STEP_WAIT:
        scene->at++;
        go_on_at(server, conn, step->ns);
        return false;
    case MOCK_STEP_REPEAT:
        scene->at++;
        scene->left[scene->depth++] = step->times;
        return true;
    case MOCK_STEP_END: loop_back(scene, step); return true;
    default:
        scene->at++;
        leave(server, conn, step->kind);
        return false;
    }
}

void mock_scene_due(struct mock_server *server, struct mock_conn *conn)
{
    for (int i = 0; i < STEPS_PER_LOOK; i++)
        if (!take_step(server, conn))
            return;
    go_on_at(server, conn, 0);
}

void mock_scene_begin(struct mock_server *server, struct mock_conn *conn)
{
    struct mock_scene *scene = &conn->scene;
    if (scene->scenario != conn->answer.scenario)
        *scene = (struct mock_scene){.scenario = conn->answer.scenario};
    if (scene->at == scene->scenario->count)
        scene->at = 0;
    scene->playing = true;
    mock_scene_due(server, conn);
}
