/* The JSON reader: however a document is cut, the tokens are the same; what cJSON accepts we accept
 * with the same values, and the other way round, but for the known differences named here. */
#include "fuzz.h"

#include <regex.h>

#include "base/mem.h"
#include "json_cjson.h"
#include "json_log.h"

/* What cJSON's older versions can read of a number; newer ones have no such bound. */
enum { CJSON_LONGEST_NUMBER = 63 };

/* ---- cuts ---- */

static void read_text(struct buf *log, struct span text, size_t cut, const void *how)
{
    (void)how;
    if (cut == text.len)
        json_log_whole(log, text);
    else
        json_log_cut(log, text, cut, SIZE_MAX);
}

/* ---- cJSON ---- */

/* What reading a whole document comes to. */
struct verdict {
    bool accepted, replaced;
    bool long_number; /* longer than some versions of cJSON can read */
    bool too_deep;
    size_t error_at;
};

static struct verdict read_all(struct span text)
{
    struct verdict verdict = {.accepted = false};
    struct json json;
    json_init(&json, text.data, text.len);
    enum json_token token;
    do {
        token = json_next(&json);
        if (token == JSON_NUMBER && json.text.len > CJSON_LONGEST_NUMBER)
            verdict.long_number = true;
    } while (token != JSON_END && token != JSON_ERROR);
    verdict.accepted = token == JSON_END;
    verdict.replaced = json.replaced > 0;
    verdict.too_deep = strstr(json_error(&json), "nested") != NULL;
    verdict.error_at = (size_t)json_offset(&json);
    json_fini(&json);
    return verdict;
}

static bool number_char(char c)
{
    return c != '\0' && strchr("0123456789+-.eE", c);
}

/* cJSON leaves numbers to strtod: it takes 01, 1. and -.5. */
static bool is_bad_number(struct span text, size_t at)
{
    size_t from = at, to = at;
    while (from > 0 && number_char(text.data[from - 1]))
        from--;
    while (to < text.len && number_char(text.data[to]))
        to++;
    if (from == to)
        return false;
    char *number = mem_copy(text.data + from, to - from);
    regex_t grammar;
    if (regcomp(&grammar, "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$",
                REG_EXTENDED | REG_NOSUB) != 0)
        abort();
    bool bad = regexec(&grammar, number, 0, NULL, 0) != 0;
    regfree(&grammar);
    free(number);
    return bad;
}

/* cJSON reads \u and four characters that are no hexadecimal digits as NUL. */
static bool is_bad_escape(struct span text, size_t at)
{
    for (size_t back = 2; back <= 5 && back <= at; back++)
        if (memcmp(text.data + at - back, "\\u", 2) == 0)
            return true;
    return false;
}

/* Is it one of cJSON's known mercies that we rejected? */
static bool may_reject(struct span text, const struct verdict *verdict)
{
    size_t at = verdict->error_at;
    if (verdict->too_deep)
        return true;
    /* it takes control characters as they are in strings, and for white space between values */
    if (at < text.len && (unsigned char)text.data[at] < 0x20)
        return true;
    return is_bad_number(text, at) || is_bad_escape(text, at);
}

static void check_cjson(struct span text, const char *terminated)
{
    cJSON *root = cJSON_ParseWithLengthOpts(terminated, text.len + 1, NULL, true);
    struct verdict verdict = read_all(text);
    if (!root && verdict.accepted && !verdict.replaced && !verdict.long_number)
        fuzz_fail("cJSON rejects what we accept", text);
    if (root && !verdict.accepted && !may_reject(text, &verdict))
        fuzz_fail("cJSON accepts what we reject", text);
    if (root && verdict.accepted) {
        struct json json;
        json_init(&json, text.data, text.len);
        if (!same_document(&json, root))
            fuzz_fail("cJSON reads other values", text);
        json_fini(&json);
    }
    cJSON_Delete(root);
}

/* ---- skipping ---- */

static void check_skip(struct span text)
{
    struct json json;
    json_init(&json, text.data, text.len);
    json_next(&json);
    bool accepted = json_skip(&json) && json_next(&json) == JSON_END;
    json_fini(&json);
    if (accepted != read_all(text).accepted)
        fuzz_fail("skipping accepts what reading rejects, or the other way round", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* of their own, so that a byte too far is seen */
    char *exact = malloc(size ? size : 1), *terminated = malloc(size + 1);
    if (size > 0) {
        memcpy(exact, data, size);
        memcpy(terminated, data, size);
    }
    terminated[size] = '\0';
    struct span text = span_of(exact, size);
    fuzz_cuts(read_text, text, fuzz_cut(text), NULL);
    check_cjson(text, terminated);
    check_skip(text);
    free(exact);
    free(terminated);
    return 0;
}
