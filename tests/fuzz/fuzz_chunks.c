/* The framing of chunked bodies: however the bytes are cut, data and state are those of a slow
 * reader that always begins at the first byte; and who only follows comes to the same state. */
#include "fuzz.h"

#include "portions.h"
#include "wire/chunks.h"

/* ---- the slow reader ---- */

struct slow {
    struct span text;
    size_t at; /* the boundary behind the last whole chunk, while in a size line */
    enum chunks_state state;
    uint64_t left;
};

/* The size line at `at`: of digits that make no zero, and CRLF. 0 when it is not there. */
static uint64_t slow_size(const struct slow *slow, size_t len)
{
    char digits[CHUNKS_HELD] = "";
    if (len < 3 || slow->text.data[slow->at + len - 2] != '\r')
        return 0;
    memcpy(digits, slow->text.data + slow->at, len - 2);
    return strspn(digits, "0123456789abcdefABCDEF") == len - 2 ? strtoull(digits, NULL, 16) : 0;
}

/* How many CR stand at the front. */
static size_t slow_returns(struct span rest)
{
    size_t returns = 0;
    while (returns < rest.len && rest.data[returns] == '\r')
        returns++;
    return returns;
}

/* One chunk; false when the reader has come to its end. */
static bool slow_chunk(struct slow *slow, struct buf *data)
{
    struct span text = slow->text;
    size_t left = text.len - slow->at, most = left < CHUNKS_HELD ? left : CHUNKS_HELD;
    const char *line = text.data + slow->at, *lf = most ? memchr(line, '\n', most) : NULL;
    slow->state = left > CHUNKS_HELD ? CHUNKS_ODD : CHUNKS_SIZE;
    if (!lf)
        return false;
    slow->state = CHUNKS_ODD;
    size_t len = (size_t)(lf + 1 - line);
    uint64_t size = slow_size(slow, len);
    if (size == 0)
        return false;
    slow->state = CHUNKS_DATA;
    slow->left = size - (left - len);
    buf_add(data, lf + 1, size < left - len ? (size_t)size : left - len);
    if (size > left - len)
        return false;
    struct span rest = span_of(lf + 1 + size, left - len - (size_t)size);
    size_t returns = slow_returns(rest);
    slow->state = CHUNKS_AFTER;
    slow->left = 0;
    if (returns == rest.len)
        return false;
    slow->state = CHUNKS_BAD;
    slow->at = (size_t)(rest.data - text.data) + returns + 1;
    return rest.data[returns] == '\n';
}

static void log_state(struct buf *log, enum chunks_state state, uint64_t left, struct span held,
                      struct span rest)
{
    buf_printf(log, "%d %llu ", (int)state, (unsigned long long)left);
    if (state == CHUNKS_SIZE || state == CHUNKS_ODD) { /* what another reader goes on with */
        buf_add_span(log, held);
        buf_add_span(log, rest);
    }
}

static void log_slowly(struct buf *log, struct span text)
{
    struct slow slow = {.text = text};
    while (slow_chunk(&slow, log))
        ;
    log_state(log, slow.state, slow.left, span_of("", 0),
              span_of(text.data + slow.at, text.len - slow.at));
}

/* ---- the reader ---- */

static void log_text(struct buf *log, struct span text, size_t cut, const void *how)
{
    struct portions portions = {.text = text, .cut = cut};
    struct chunks chunks = {0};
    size_t len, used;
    (void)how;
    for (char *piece; !chunks_stopped(&chunks) && (piece = portions_next(&portions, &len));
         free(piece)) {
        size_t kept = chunks_strip(&chunks, piece, len, &used);
        if (used > len || kept > used || (used < len && !chunks_stopped(&chunks)))
            fuzz_fail("bytes are left behind, or taken that are not there", text);
        buf_add(log, piece, kept);
        portions.at -= len - used;
    }
    log_state(log, chunks.state, chunks.left, span_of(chunks.held, chunks.held_len),
              span_of(text.data + portions.at, text.len - portions.at));
}

static void check_following(struct span text, size_t cut)
{
    struct chunks stripping = {0}, following = {0};
    char *bytes = malloc(text.len + 1);
    size_t used;
    if (text.len > 0)
        memcpy(bytes, text.data, text.len);
    chunks_strip(&stripping, bytes, text.len, &used);
    chunks_follow(&following, span_of(text.data, cut));
    chunks_follow(&following, span_of(text.data + cut, text.len - cut));
    if (memcmp(&stripping, &following, sizeof stripping) != 0)
        fuzz_fail("who follows comes to another state", text);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of((const char *)data, size);
    struct buf slow, fast;
    size_t cut = fuzz_cut(text);
    fuzz_cuts(log_text, text, cut, NULL);
    buf_init(&slow, SIZE_MAX);
    buf_init(&fast, SIZE_MAX);
    log_slowly(&slow, text);
    log_text(&fast, text, cut, NULL);
    fuzz_same(&slow, &fast, "not slowly", text);
    check_following(text, cut);
    buf_fini(&slow);
    buf_fini(&fast);
    return 0;
}
