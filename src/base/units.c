#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

__extension__ typedef unsigned __int128 uint128;

#define SHOWN 100 /* of a wrong value, in bytes: it may be a whole file */
#define MINUTE (60 * NS_PER_S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
/* Well below 2^63 ns, so that a time a duration from now always fits. */
#define LONGEST (36525 * DAY)

struct unit {
    const char *name;
    uint64_t factor;
};

/* From large to small: the parts of a compound duration must come in this order. */
static const struct unit duration_units[] = {
    {"d", DAY},        {"h", HOUR},       {"m", MINUTE},     {"s", NS_PER_S},
    {"ms", NS_PER_MS}, {"us", NS_PER_US}, {"µs", NS_PER_US}, {"ns", 1},
};

static const char size_letters[] = "kmgtpe"; /* 1024 to the power of the place, counted from 1 */

/* A decimal number without sign or exponent: whole + fraction / 10^digits. */
struct decimal {
    uint64_t whole, fraction, scale;
    bool whole_too_large;
};

static const char *scan_decimal(const char *text, struct decimal *number)
{
    *number = (struct decimal){.scale = 1};
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(number->whole, UINT64_C(10), &number->whole) ||
            __builtin_add_overflow(number->whole, (uint64_t)(*at - '0'), &number->whole))
            number->whole_too_large = true;
    if (*at == '.' && isdigit((unsigned char)at[1]))
        for (at++; isdigit((unsigned char)*at); at++)
            if (number->scale < UINT64_C(1000000000000000000)) {
                number->fraction = number->fraction * 10 + (uint64_t)(*at - '0');
                number->scale *= 10;
            }
    return at > text ? at : NULL;
}

/* number × factor rounded to the nearest; false past `limit`. */
static bool scaled(const struct decimal *number, uint64_t factor, uint64_t limit, uint64_t *out)
{
    if (number->whole_too_large)
        return false;
    uint128 value = (uint128)number->whole * factor +
                    ((uint128)number->fraction * factor + number->scale / 2) / number->scale;
    *out = (uint64_t)value;
    return value <= limit;
}

static const struct unit *scan_unit(const char **text)
{
    size_t len = 0;
    while ((*text)[len] && !isdigit((unsigned char)(*text)[len]) && (*text)[len] != ' ')
        len++;
    for (size_t i = 0; i < sizeof duration_units / sizeof *duration_units; i++)
        if (strlen(duration_units[i].name) == len &&
            memcmp(duration_units[i].name, *text, len) == 0) {
            *text += len;
            return &duration_units[i];
        }
    return NULL;
}

static bool no_duration(const char *text, struct err *err)
{
    return err_set(err, "'%.*s' is not a duration (write 300, 50ms, 1.5s, 20m or 1h30m)", SHOWN,
                   text);
}

static bool long_duration(const char *text, struct err *err)
{
    return err_set(err, "'%.*s' is too long a duration (at most 36525d, a hundred years)", SHOWN,
                   text);
}

bool units_duration(const char *text, uint64_t *ns, struct err *err)
{
    uint64_t total = 0, part = 0, last_factor = UINT64_MAX;
    const char *at = text;
    do {
        struct decimal number;
        at = scan_decimal(at, &number);
        if (!at)
            return no_duration(text, err);
        bool bare = *at == '\0' && last_factor == UINT64_MAX;
        at += *at == ' ';
        const struct unit *unit = bare ? &duration_units[3] : scan_unit(&at);
        if (!unit || unit->factor >= last_factor)
            return no_duration(text, err);
        last_factor = unit->factor;
        if (!scaled(&number, unit->factor, LONGEST, &part) || (total += part) > LONGEST)
            return long_duration(text, err);
        at += *at == ' ' && at[1];
    } while (*at);
    *ns = total;
    return true;
}

/* "", "B", "K", "KB", "KiB" and so on, in either case. */
static bool size_factor(const char *suffix, uint64_t *factor)
{
    *factor = 1;
    if (strcasecmp(suffix, "") == 0 || strcasecmp(suffix, "b") == 0)
        return true;
    const char *letter = strchr(size_letters, tolower((unsigned char)*suffix));
    if (!letter || !*letter)
        return false;
    *factor = UINT64_C(1) << (10 * (letter - size_letters + 1));
    suffix++;
    return !*suffix || strcasecmp(suffix, "b") == 0 || strcasecmp(suffix, "ib") == 0;
}

bool units_size(const char *text, uint64_t *bytes, struct err *err)
{
    struct decimal number;
    uint64_t factor = 1;
    const char *at = scan_decimal(text, &number);
    if (at)
        at += *at == ' ' && at[1];
    if (!at || !size_factor(at, &factor) || (factor == 1 && number.fraction))
        return err_set(err, "'%.*s' is not a size (write 4096, 64K, 1.5M or 2GiB)", SHOWN, text);
    if (!scaled(&number, factor, INT64_MAX, bytes))
        return err_set(err, "'%.*s' is too large a size (at most 8 EiB)", SHOWN, text);
    return true;
}

bool units_share(const char *text, double *share, struct err *err)
{
    char number[64];
    size_t len = strlen(text);
    bool percent = len && text[len - 1] == '%';
    double value = -1;
    if (len < sizeof number) {
        memcpy(number, text, len + 1);
        number[len - percent] = '\0';
        if (!units_number(number, &value, NULL))
            value = -1;
    }
    value = percent ? value / 100 : value;
    if (!(value >= 0 && value <= 1))
        return err_set(err, "'%.*s' is not a share between 0 and 1 (write 0.1 or 10%%)", SHOWN,
                       text);
    *share = value;
    return true;
}

bool units_integer(const char *text, int64_t *value, struct err *err)
{
    size_t sign = *text == '-' || *text == '+';
    size_t digits = strspn(text + sign, "0123456789");
    if (digits == 0 || text[sign + digits])
        return err_set(err, "'%.*s': not a whole number", SHOWN, text);
    errno = 0;
    intmax_t number = strtoimax(text, NULL, 10);
    if (errno || number < INT64_MIN || number > INT64_MAX)
        return err_set(err, "'%.*s': too large a number (at most 63 bits)", SHOWN, text);
    *value = number;
    return true;
}

/* strtod also takes "inf", "nan", hexadecimal and leading blanks. */
static bool is_number(const char *text)
{
    text += *text == '-' || *text == '+';
    size_t whole = strspn(text, "0123456789"), fraction = 0;
    text += whole;
    if (*text == '.')
        text += 1 + (fraction = strspn(text + 1, "0123456789"));
    if (whole + fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '-' || text[1] == '+');
        size_t exponent = strspn(text, "0123456789");
        if (exponent == 0)
            return false;
        text += exponent;
    }
    return *text == '\0';
}

bool units_number(const char *text, double *value, struct err *err)
{
    if (!is_number(text))
        return err_set(err, "'%.*s': not a number", SHOWN, text);
    errno = 0;
    double number = strtod(text, NULL);
    if (errno == ERANGE || !isfinite(number))
        return err_set(err, "'%.*s': a number too %s to hold", SHOWN, text,
                       fabs(number) > 1 ? "large" : "small");
    *value = number;
    return true;
}

/* Three significant digits without idle zeros; whole numbers from 100 on. */
static void show_three(char *out, size_t size, double value, const char *unit)
{
    char digits[400];
    int places = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    int len = snprintf(digits, sizeof digits, "%.*f", places, value);
    while (places && len > 0 && digits[len - 1] == '0') {
        digits[--len] = '\0';
        places--;
    }
    if (len > 0 && digits[len - 1] == '.')
        digits[len - 1] = '\0';
    snprintf(out, size, "%s %s", digits, unit);
}

char *units_show_seconds(char *out, size_t size, double seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } steps[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
    if (!isfinite(seconds)) {
        snprintf(out, size, "n/a");
        return out;
    }
    if (seconds == 0) {
        snprintf(out, size, "0 s");
        return out;
    }
    size_t sign = seconds < 0 && size > 1;
    if (sign)
        out[0] = '-';
    size_t step = 0;
    while (step < 3 && fabs(seconds) / steps[step].seconds >= 999.5)
        step++;
    show_three(out + sign, size - sign, fabs(seconds) / steps[step].seconds, steps[step].name);
    return out;
}

char *units_show_bytes(char *out, size_t size, double bytes)
{
    static const char *const steps[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (!isfinite(bytes) || bytes < 0) {
        snprintf(out, size, "n/a");
        return out;
    }
    size_t step = 0;
    while (step + 1 < sizeof steps / sizeof *steps && bytes >= 1023.5) {
        bytes /= 1024;
        step++;
    }
    show_three(out, size, bytes, steps[step]);
    return out;
}

char *units_show_count(char *out, size_t size, uint64_t count)
{
    char digits[24], grouped[32];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            grouped[at++] = ',';
        grouped[at++] = digits[i];
    }
    grouped[at] = '\0';
    snprintf(out, size, "%s", grouped);
    return out;
}

char *units_show_span(char *out, size_t size, double seconds)
{
    if (!(seconds >= 0 && seconds < 1e15)) {
        snprintf(out, size, "n/a");
        return out;
    }
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (s < 60)
        snprintf(out, size, "%" PRIu64 "s", s);
    else if (s < 3600)
        snprintf(out, size, "%" PRIu64 "m %02" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, size, "%" PRIu64 "h %02" PRIu64 "m %02" PRIu64 "s", s / 3600, s / 60 % 60,
                 s % 60);
    else
        snprintf(out, size, "%" PRIu64 "d %02" PRIu64 "h %02" PRIu64 "m", s / 86400, s / 3600 % 24,
                 s / 60 % 60);
    return out;
}
