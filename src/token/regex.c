#include "token/regex.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "token/tree.h"
#include "wire/utf8.h"

enum {
    PATTERN_MAX = 64 * 1024, /* bytes */
    NESTING_MAX = 64,
    JIT_STACK_FIRST = 32 * 1024,
    JIT_STACK_MOST = 16 * 1024 * 1024,
    HEAP_LIMIT_KIB = 64 * 1024, /* of the interpreter, where there is no JIT */
    LIMIT_LEAST = 1000 * 1000,
    LIMIT_A_BYTE = 32, /* steps that one match may take */
};

struct regex {
    pcre2_code *code;
    bool compiled; /* to machine code */
};

struct regex_work {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* ---- compiling ---- */

static pcre2_code *compile(struct span pattern, struct err *err)
{
    int number;
    PCRE2_SIZE at;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        abort();
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
                                         PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
                                     &number, &at, context);
    pcre2_compile_context_free(context);
    if (!code) {
        PCRE2_UCHAR said[256] = "";
        pcre2_get_error_message(number, said, sizeof said);
        err_set(err, "PCRE2 cannot compile it: %s (at byte %zu of \"%.*s\")", (const char *)said,
                (size_t)at, SHOWN(pattern));
    }
    return code;
}

struct regex *regex_new(struct span pattern, struct err *err)
{
    struct buf text;
    struct regex *regex = NULL;
    if (pattern.len > PATTERN_MAX) {
        err_set(err, "the regex has %zu bytes; at most %d are supported", pattern.len, PATTERN_MAX);
        return NULL;
    }
    buf_init(&text, (size_t)PATTERN_MAX * 64);
    pcre2_code *code = NULL;
    if (regex_translate(pattern, &text, err))
        code = compile(buf_span(&text), err);
    if (code) {
        regex = MEM_NEW(struct regex);
        regex->code = code;
        regex->compiled = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
    } else {
        err_prefix(err, "the regex \"%.*s\"", SHOWN(pattern));
    }
    buf_fini(&text);
    return regex;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    free(regex);
}

/* ---- matching ---- */

struct regex_work *regex_work_new(void)
{
    struct regex_work *work = MEM_NEW(struct regex_work);
    work->data = pcre2_match_data_create(1, NULL);
    work->context = pcre2_match_context_create(NULL);
    if (!work->data || !work->context)
        abort();
    pcre2_set_heap_limit(work->context, HEAP_LIMIT_KIB);
    /* NULL where there is no JIT */
    work->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, NULL);
    pcre2_jit_stack_assign(work->context, NULL, work->stack);
    return work;
}

void regex_work_free(struct regex_work *work)
{
    if (!work)
        return;
    pcre2_jit_stack_free(work->stack);
    pcre2_match_context_free(work->context);
    pcre2_match_data_free(work->data);
    free(work);
}

static enum regex_found failed(int number, size_t from, struct err *err)
{
    PCRE2_UCHAR said[256] = "";
    if (number == PCRE2_ERROR_NOMATCH)
        return REGEX_NONE;
    pcre2_get_error_message(number, said, sizeof said);
    err_set(err, "the tokenizer's regex gives up at byte %zu of the text: %s", from,
            (const char *)said);
    return REGEX_ERROR;
}

static uint32_t step_limit(size_t len)
{
    size_t most = (UINT32_MAX - LIMIT_LEAST) / LIMIT_A_BYTE;
    return len > most ? UINT32_MAX : LIMIT_LEAST + (uint32_t)len * LIMIT_A_BYTE;
}

enum regex_found regex_find(const struct regex *regex, struct regex_work *work, struct span text,
                            size_t from, size_t *start, size_t *end, struct err *err)
{
    pcre2_set_match_limit(work->context, step_limit(text.len));
    PCRE2_SPTR subject = (PCRE2_SPTR)text.data;
    int count = regex->compiled ? pcre2_jit_match(regex->code, subject, text.len, from, 0,
                                                  work->data, work->context)
                                : pcre2_match(regex->code, subject, text.len, from,
                                              PCRE2_NO_UTF_CHECK, work->data, work->context);
    if (count < 0)
        return failed(count, from, err);
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(work->data);
    *start = place[0];
    *end = place[1];
    return REGEX_MATCH;
}

void regex_walk_begin(struct regex_walk *walk, const struct regex *regex, struct regex_work *work,
                      struct span text)
{
    *walk = (struct regex_walk){.regex = regex, .work = work, .text = text};
}

enum regex_found regex_walk_next(struct regex_walk *walk, size_t *start, size_t *end,
                                 struct err *err)
{
    while (walk->from <= walk->text.len) {
        enum regex_found found =
            regex_find(walk->regex, walk->work, walk->text, walk->from, start, end, err);
        if (found != REGEX_MATCH)
            return found;
        if (*start != *end || !walk->matched || *end != walk->last) {
            walk->from = walk->last = *end;
            walk->matched = true;
            return REGEX_MATCH;
        }
        bool valid;
        const char *at = walk->text.data + walk->from, *stop = walk->text.data + walk->text.len;
        walk->from += at < stop ? utf8_step(at, stop, &valid) : 1;
    }
    return REGEX_NONE;
}
