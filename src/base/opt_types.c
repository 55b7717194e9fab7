/* The type objects of opt.h: how each C type of field is parsed, released and shown. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/units.h"

#define SHOWN 100      /* of a wrong value, in bytes */
#define UNBOUNDED 1e15 /* a bound from here on only says "any": it is not told to the user */

static bool flag_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i].word, text) == 0) {
            *(bool *)field = words[i].value;
            return true;
        }
    return err_set(err, "--%s '%.*s': neither true nor false", row->name, SHOWN, text);
}

static void flag_release(void *field)
{
    *(bool *)field = false;
}

static void flag_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    buf_add_text(out, *(const bool *)field ? "true" : "false");
}

static bool text_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    (void)row, (void)err;
    char *copy = mem_text(text);
    free(*(char **)field);
    *(char **)field = copy;
    return true;
}

static void text_release(void *field)
{
    free(*(char **)field);
    *(char **)field = NULL;
}

static void text_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    const char *text = *(char *const *)field;
    if (text)
        buf_add_text(out, text);
}

static bool choice_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    const char *word = row->choices ? row->choices : "";
    size_t wanted = strlen(text);
    while (*(word += strspn(word, " "))) {
        size_t len = strcspn(word, " ");
        if (len == wanted && memcmp(word, text, len) == 0)
            return text_parse(row, text, field, err);
        word += len;
    }
    return err_set(err, "--%s '%.*s': must be one of: %s", row->name, SHOWN, text,
                   row->choices ? row->choices : "");
}

/* The largest unit that divides the value exactly. */
static void type_duration(uint64_t ns, char *out, size_t size)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } steps[] = {{"d", 86400 * NS_PER_S},
                 {"h", 3600 * NS_PER_S},
                 {"m", 60 * NS_PER_S},
                 {"s", NS_PER_S},
                 {"ms", NS_PER_MS},
                 {"us", NS_PER_US},
                 {"ns", 1}};
    size_t i = 0;
    while (ns % steps[i].factor)
        i++;
    snprintf(out, size, "%" PRIu64 "%s", ns / steps[i].factor, ns ? steps[i].name : "");
}

static void type_size(uint64_t bytes, char *out, size_t size)
{
    static const char *const steps[] = {"", "K", "M", "G", "T", "P"};
    size_t step = 0;
    while (bytes && bytes % 1024 == 0 && step + 1 < sizeof steps / sizeof *steps) {
        bytes /= 1024;
        step++;
    }
    snprintf(out, size, "%" PRIu64 "%s", bytes, steps[step]);
}

/* A bound as it would be typed. Those that are not told (UNBOUNDED) may be of any magnitude. */
static void show_bound(const struct opt_row *row, double bound, char *out, size_t size)
{
    if (row->type == &opt_duration && bound >= 0 && bound < 1e10)
        type_duration((uint64_t)(bound * 1e9 + 0.5), out, size);
    else if (row->type == &opt_size && bound >= 0 && bound < UNBOUNDED)
        type_size((uint64_t)bound, out, size);
    else
        snprintf(out, size, "%.15g", bound);
}

static bool within_bounds(const struct opt_row *row, double value, const char *text,
                          struct err *err)
{
    /* A lower bound alone is written as `.min = 1`, so a max below min is none. */
    bool bounded = row->min < 0 || row->min > 0 || row->max < 0 || row->max > 0;
    bool above = bounded && row->max >= row->min, below = bounded;
    if ((!below || value >= row->min) && (!above || value <= row->max))
        return true;
    char min[64], max[64];
    show_bound(row, row->min, min, sizeof min);
    show_bound(row, row->max, max, sizeof max);
    below = below && row->min > -UNBOUNDED;
    above = above && row->max < UNBOUNDED;
    if (below && above)
        return err_set(err, "--%s %.*s: must be between %s and %s", row->name, SHOWN, text, min,
                       max);
    return err_set(err, "--%s %.*s: must be at %s %s", row->name, SHOWN, text,
                   below ? "least" : "most", below ? min : max);
}

static bool integer_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    int64_t value = 0;
    struct err why;
    if (!units_integer(text, &value, &why))
        return err_set(err, "--%s %s", row->name, why.text);
    if (!within_bounds(row, (double)value, text, err))
        return false;
    *(int64_t *)field = value;
    return true;
}

static void integer_release(void *field)
{
    *(int64_t *)field = 0;
}

static void integer_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    buf_printf(out, "%" PRId64, *(const int64_t *)field);
}

static double integer_number(const void *field)
{
    return (double)*(const int64_t *)field;
}

static bool number_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    double value = 0;
    struct err why;
    if (!units_number(text, &value, &why))
        return err_set(err, "--%s %s", row->name, why.text);
    if (!within_bounds(row, value, text, err))
        return false;
    *(double *)field = value;
    return true;
}

static void number_release(void *field)
{
    *(double *)field = 0;
}

/* The shortest text that reads back as the same number. */
static void number_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    char text[40];
    double value = *(const double *)field;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (!(strtod(text, NULL) < value) && !(strtod(text, NULL) > value))
            break;
    }
    buf_add_text(out, text);
}

static double number_number(const void *field)
{
    return *(const double *)field;
}

/* ---- numbers that keep their digits ---- */

/* The text of a number as JSON writes it: without '+' and idle zeros in front, with digits on both
 * sides of the point. */
static char *json_digits(const char *text)
{
    struct buf out;
    buf_init(&out, SIZE_MAX);
    if (*text == '-')
        buf_add_char(&out, '-');
    text += *text == '-' || *text == '+';
    while (text[0] == '0' && text[1] >= '0' && text[1] <= '9')
        text++;
    size_t whole = strspn(text, "0123456789");
    buf_add(&out, whole ? text : "0", whole ? whole : 1);
    text += whole;
    bool idle_point = text[0] == '.' && !(text[1] >= '0' && text[1] <= '9');
    buf_add_text(&out, text + idle_point);
    return buf_take(&out);
}

static bool take_digits(const char *text, void *field)
{
    free(*(char **)field);
    *(char **)field = json_digits(text);
    return true;
}

/* Within 64 bits, with a sign or without. */
static bool fits_64_bits(const char *text)
{
    errno = 0;
    if (*text == '-')
        (void)strtoll(text, NULL, 10);
    else
        (void)strtoull(text, NULL, 10);
    return errno == 0;
}

static bool exact_integer_parse(const struct opt_row *row, const char *text, void *field,
                                struct err *err)
{
    size_t sign = *text == '-' || *text == '+', digits = strspn(text + sign, "0123456789");
    if (digits == 0 || text[sign + digits])
        return err_set(err, "--%s '%.*s': not a whole number", row->name, SHOWN, text);
    if (!fits_64_bits(text))
        return err_set(err, "--%s '%.*s': too large a number (at most 64 bits)", row->name, SHOWN,
                       text);
    return within_bounds(row, strtod(text, NULL), text, err) && take_digits(text, field);
}

static bool exact_number_parse(const struct opt_row *row, const char *text, void *field,
                               struct err *err)
{
    double value = 0;
    return number_parse(row, text, &value, err) && take_digits(text, field);
}

static double exact_number(const void *field)
{
    const char *digits = *(char *const *)field;
    return digits ? strtod(digits, NULL) : 0;
}

static bool share_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    double value = 0;
    if (!units_share(text, &value, err))
        return err_prefix(err, "--%s", row->name);
    if (!within_bounds(row, value, text, err))
        return false;
    *(double *)field = value;
    return true;
}

static bool duration_parse(const struct opt_row *row, const char *text, void *field,
                           struct err *err)
{
    uint64_t ns = 0;
    if (!units_duration(text, &ns, err))
        return err_prefix(err, "--%s", row->name);
    if (!within_bounds(row, clock_seconds(ns), text, err))
        return false;
    *(uint64_t *)field = ns;
    return true;
}

static void unsigned_release(void *field)
{
    *(uint64_t *)field = 0;
}

static void duration_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    char text[40];
    type_duration(*(const uint64_t *)field, text, sizeof text);
    buf_add_text(out, text);
}

static double duration_number(const void *field)
{
    return clock_seconds(*(const uint64_t *)field);
}

static bool size_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    uint64_t bytes = 0;
    if (!units_size(text, &bytes, err))
        return err_prefix(err, "--%s", row->name);
    if (!within_bounds(row, (double)bytes, text, err))
        return false;
    *(uint64_t *)field = bytes;
    return true;
}

static void size_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    char text[40];
    type_size(*(const uint64_t *)field, text, sizeof text);
    buf_add_text(out, text);
}

static double size_number(const void *field)
{
    return (double)*(const uint64_t *)field;
}

static bool list_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    (void)row, (void)err;
    list_add(field, text);
    return true;
}

static void list_release(void *field)
{
    list_fini(field);
}

static void list_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    const struct list *list = field;
    for (size_t i = 0; i < list->count; i++) {
        if (i)
            buf_add_char(out, ' ');
        buf_add_text(out, list->items[i]);
    }
}

static bool numbers_parse_one(const struct opt_row *row, const char *text, double *value,
                              struct err *err)
{
    if (row->type == &opt_numbers)
        return number_parse(row, text, value, err);
    int64_t whole = 0;
    bool ok = integer_parse(row, text, &whole, err);
    *value = (double)whole;
    return ok;
}

/* "4" or "1,2,4": all of them, or none when one is wrong. */
static bool numbers_parse(const struct opt_row *row, const char *text, void *field, struct err *err)
{
    struct numbers *numbers = field, read = {0};
    bool ok = true;
    for (const char *at = text; ok; at++) {
        size_t len = strcspn(at, ",");
        char *one = mem_copy(at, len);
        double value = 0;
        ok = numbers_parse_one(row, one, &value, err);
        numbers_add(&read, value);
        free(one);
        at += len;
        if (!*at)
            break;
    }
    for (size_t i = 0; ok && i < read.count; i++)
        numbers_add(numbers, read.items[i]);
    numbers_fini(&read);
    return ok;
}

static void numbers_release(void *field)
{
    numbers_fini(field);
}

static void numbers_show(const struct opt_row *row, const void *field, struct buf *out)
{
    (void)row;
    const struct numbers *numbers = field;
    for (size_t i = 0; i < numbers->count; i++)
        buf_printf(out, "%s%.15g", i ? " " : "", numbers->items[i]);
}

const struct opt_type opt_flag = {.name = "true or false",
                                  .kind = OPT_KIND_FLAG,
                                  .size = sizeof(bool),
                                  .parse = flag_parse,
                                  .release = flag_release,
                                  .show = flag_show};
const struct opt_type opt_text = {.name = "a text",
                                  .kind = OPT_KIND_TEXT,
                                  .takes_value = true,
                                  .size = sizeof(char *),
                                  .parse = text_parse,
                                  .release = text_release,
                                  .show = text_show};
const struct opt_type opt_choice = {.name = "one of its choices",
                                    .kind = OPT_KIND_TEXT,
                                    .takes_value = true,
                                    .size = sizeof(char *),
                                    .parse = choice_parse,
                                    .release = text_release,
                                    .show = text_show};
const struct opt_type opt_integer = {.name = "a whole number",
                                     .kind = OPT_KIND_INTEGER,
                                     .takes_value = true,
                                     .plain = true,
                                     .size = sizeof(int64_t),
                                     .parse = integer_parse,
                                     .release = integer_release,
                                     .show = integer_show,
                                     .number = integer_number};
const struct opt_type opt_number = {.name = "a number",
                                    .kind = OPT_KIND_NUMBER,
                                    .takes_value = true,
                                    .plain = true,
                                    .size = sizeof(double),
                                    .parse = number_parse,
                                    .release = number_release,
                                    .show = number_show,
                                    .number = number_number};
const struct opt_type opt_exact_integer = {.name = "a whole number",
                                           .kind = OPT_KIND_INTEGER,
                                           .takes_value = true,
                                           .plain = true,
                                           .size = sizeof(char *),
                                           .parse = exact_integer_parse,
                                           .release = text_release,
                                           .show = text_show,
                                           .number = exact_number};
const struct opt_type opt_exact_number = {.name = "a number",
                                          .kind = OPT_KIND_NUMBER,
                                          .takes_value = true,
                                          .plain = true,
                                          .size = sizeof(char *),
                                          .parse = exact_number_parse,
                                          .release = text_release,
                                          .show = text_show,
                                          .number = exact_number};
const struct opt_type opt_duration = {.name = "a duration",
                                      .kind = OPT_KIND_NUMBER,
                                      .takes_value = true,
                                      .size = sizeof(uint64_t),
                                      .parse = duration_parse,
                                      .release = unsigned_release,
                                      .show = duration_show,
                                      .number = duration_number};
const struct opt_type opt_size = {.name = "a size",
                                  .kind = OPT_KIND_INTEGER,
                                  .takes_value = true,
                                  .size = sizeof(uint64_t),
                                  .parse = size_parse,
                                  .release = unsigned_release,
                                  .show = size_show,
                                  .number = size_number};
const struct opt_type opt_share = {.name = "a share between 0 and 1",
                                   .kind = OPT_KIND_NUMBER,
                                   .takes_value = true,
                                   .size = sizeof(double),
                                   .parse = share_parse,
                                   .release = number_release,
                                   .show = number_show,
                                   .number = number_number};
const struct opt_type opt_list = {.name = "a text, repeatable",
                                  .kind = OPT_KIND_LIST,
                                  .takes_value = true,
                                  .size = sizeof(struct list),
                                  .parse = list_parse,
                                  .release = list_release,
                                  .show = list_show};
const struct opt_type opt_words = {.name = "one or more words",
                                   .kind = OPT_KIND_LIST,
                                   .takes_value = true,
                                   .many = true,
                                   .size = sizeof(struct list),
                                   .parse = list_parse,
                                   .release = list_release,
                                   .show = list_show};

const struct opt_type opt_integers = {.name = "whole numbers",
                                      .kind = OPT_KIND_NUMBERS,
                                      .takes_value = true,
                                      .many = true,
                                      .size = sizeof(struct numbers),
                                      .parse = numbers_parse,
                                      .release = numbers_release,
                                      .show = numbers_show};

const struct opt_type opt_numbers = {.name = "numbers",
                                     .kind = OPT_KIND_NUMBERS,
                                     .takes_value = true,
                                     .many = true,
                                     .size = sizeof(struct numbers),
                                     .parse = numbers_parse,
                                     .release = numbers_release,
                                     .show = numbers_show};
