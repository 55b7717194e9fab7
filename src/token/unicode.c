#include "token/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "token/chars.h"
#include "wire/utf8.h"

/* ---- characters that a form leaves as they are, whatever stands before them ----
 *
 * Starters that become themselves and are never the second part of a composition: the long ranges
 * of them, to save the work for most texts. */

struct range {
    uint32_t first, last;
};

static const struct range nfc_inert[] = {
    {0x0, 0x2ff},     {0x388, 0x482},   {0x488, 0x590},   {0x61b, 0x64a},     {0x671, 0x6d5},
    {0x960, 0x9bb},   {0xe4c, 0xeb7},   {0x108e, 0x1160}, {0x1e00, 0x1f70},   {0x2002, 0x20cf},
    {0x212c, 0x2328}, {0x232b, 0x2adb}, {0x2e00, 0x3029}, {0x3030, 0x3098},   {0x309b, 0xa66e},
    {0xac00, 0xd7a3}, {0xe000, 0xf8ff}, {0xfe30, 0xffff}, {0x1e94b, 0x2f7ff},
};
static const struct range nfkc_inert[] = {
    {0x0, 0x9f},      {0x391, 0x3a1},   {0x3a3, 0x3ce},   {0x400, 0x482},     {0x3041, 0x3098},
    {0x30a1, 0x30fe}, {0x3400, 0xa66e}, {0xac00, 0xd7a3}, {0x20000, 0x2a6df},
};
static const struct range other_inert[] = {{0x0, 0x7f}, {0x3400, 0xa66e}, {0x20000, 0x2a6df}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    const struct range *inert;
    size_t count;
    utf8proc_option_t decompose, compose;
} forms[] = {
    [UNICODE_NFC] = {nfc_inert, COUNT(nfc_inert), UTF8PROC_DECOMPOSE | UTF8PROC_STABLE,
                     UTF8PROC_COMPOSE | UTF8PROC_STABLE},
    [UNICODE_NFD] = {other_inert, COUNT(other_inert), UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, 0},
    [UNICODE_NFKC] = {nfkc_inert, COUNT(nfkc_inert),
                      UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE,
                      UTF8PROC_COMPOSE | UTF8PROC_STABLE},
    [UNICODE_NFKD] = {other_inert, COUNT(other_inert),
                      UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE, 0},
};

static bool is_inert(enum unicode_form form, uint32_t code)
{
    const struct range *ranges = forms[form].inert;
    for (size_t i = 0; i < forms[form].count && code >= ranges[i].first; i++)
        if (code <= ranges[i].last)
            return true;
    return false;
}

/* Behind the inert characters at `at`; *last is where the last of them begins. */
static const char *skip_inert(enum unicode_form form, const char *at, const char *end,
                              const char **last)
{
    while (at < end) {
        const char *next = at;
        if (!is_inert(form, char_next(&next)))
            break;
        *last = at;
        at = next;
    }
    return at;
}

static const char *skip_others(enum unicode_form form, const char *at, const char *end)
{
    while (at < end) {
        const char *next = at;
        if (is_inert(form, char_next(&next)))
            break;
        at = next;
    }
    return at;
}

/* ---- the others ---- */

enum { DECOMPOSED_MOST = 32 }; /* code points of one character; Unicode has at most 18 */

struct codes {
    utf8proc_int32_t *items;
    size_t count, room;
};

static void decompose(enum unicode_form form, const char *at, const char *end, struct codes *codes)
{
    while (at < end) {
        if (codes->room - codes->count < DECOMPOSED_MOST) {
            codes->room = codes->room * 2 + 1024;
            codes->items = mem_resize(codes->items, codes->room, sizeof *codes->items);
        }
        int unused = 0;
        utf8proc_ssize_t count =
            utf8proc_decompose_char((utf8proc_int32_t)char_next(&at), codes->items + codes->count,
                                    DECOMPOSED_MOST, forms[form].decompose, &unused);
        if (count > 0)
            codes->count += (size_t)count;
    }
}

static int class_of(utf8proc_int32_t code)
{
    return utf8proc_get_property(code)->combining_class;
}

/* Marks in the order of their classes, those of a class as they stood: a counting sort, since a
 * hostile text may be one long run of marks. */
static void sort_marks(utf8proc_int32_t *marks, size_t count)
{
    size_t places[257] = {0};
    for (size_t i = 0; i < count; i++)
        places[class_of(marks[i]) + 1]++;
    for (size_t i = 1; i < COUNT(places); i++)
        places[i] += places[i - 1];
    utf8proc_int32_t *sorted = mem_zero(count, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[places[class_of(marks[i])]++] = marks[i];
    memcpy(marks, sorted, count * sizeof *sorted);
    free(sorted);
}

static void order_marks(struct codes *codes)
{
    for (size_t i = 0; i < codes->count; i++) {
        size_t start = i;
        bool ordered = true;
        for (int before = 0, class; i < codes->count && (class = class_of(codes->items[i])) > 0;
             i++, before = class)
            ordered = ordered && before <= class;
        if (!ordered)
            sort_marks(codes->items + start, i - start);
    }
}

static void write_codes(const struct codes *codes, struct buf *out)
{
    char text[4];
    for (size_t i = 0; i < codes->count; i++)
        buf_add(out, text, utf8_encode((uint32_t)codes->items[i], text));
}

static void normalize(enum unicode_form form, const char *at, const char *end, struct codes *codes,
                      struct buf *out)
{
    codes->count = 0;
    decompose(form, at, end, codes);
    order_marks(codes);
    if (forms[form].compose && codes->count > 0) {
        utf8proc_ssize_t count = utf8proc_normalize_utf32(
            codes->items, (utf8proc_ssize_t)codes->count, forms[form].compose);
        codes->count = count > 0 ? (size_t)count : 0;
    }
    write_codes(codes, out);
}

bool unicode_normalize(enum unicode_form form, struct span text, struct buf *out)
{
    struct codes codes = {.items = NULL};
    const char *end = text.data + text.len;
    for (const char *at = text.data; at < end;) {
        const char *last = at, *odd = skip_inert(form, at, end, &last);
        if (odd == end) {
            buf_add(out, at, (size_t)(end - at));
            break;
        }
        /* the last inert character goes with what follows, which may be composed with it */
        buf_add(out, at, (size_t)(last - at));
        at = skip_others(form, odd, end);
        normalize(form, last, at, &codes, out);
    }
    free(codes.items);
    return !out->full;
}

bool unicode_lower(struct span text, struct buf *out)
{
    char bytes[4];
    for (const char *at = text.data, *end = at + text.len; at < end;) {
        uint32_t code = char_next(&at);
        /* the only character whose lower case is two */
        if (code == 0x130)
            buf_add_text(out, "i\xcc\x87");
        else
            buf_add(out, bytes,
                    utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)code), bytes));
    }
    return !out->full;
}
