/* Characters and what they do to a terminal. */
#include "check.h"
#include "wire/utf8.h"

static const struct {
    const char *name, *text;
    uint32_t code;
    bool steers;
} characters[] = {
    {"NUL", "", 0, true},
    {"escape", "\x1b", 0x1b, true},
    {"blank", " ", ' ', false},
    {"tilde", "~", '~', false},
    {"DEL", "\x7f", 0x7f, true},
    {"first of two bytes", "\xc2\x80", 0x80, true},
    {"CSI", "\xc2\x9b", 0x9b, true},
    {"blank that does not break", "\xc2\xa0", 0xa0, false},
    {"last of two bytes", "\xdf\xbf", 0x7ff, false},
    {"first of three bytes", "\xe0\xa0\x80", 0x800, false},
    {"before the separators", "\xe2\x80\xa7", 0x2027, false},
    {"line separator", "\xe2\x80\xa8", 0x2028, true},
    {"right to left override", "\xe2\x80\xae", 0x202e, true},
    {"right to left mark", "\xe2\x80\x8f", 0x200f, true},
    {"Arabic letter mark", "\xd8\x9c", 0x061c, true},
    {"joiner", "\xe2\x80\x8d", 0x200d, false},
    {"narrow blank", "\xe2\x80\xaf", 0x202f, false},
    {"isolate", "\xe2\x81\xa6", 0x2066, true},
    {"end of isolate", "\xe2\x81\xa9", 0x2069, true},
    {"after it", "\xe2\x81\xaa", 0x206a, false},
    {"last of three bytes", "\xef\xbf\xbf", 0xffff, false},
    {"of four bytes", "\xf0\x9f\x98\x80", 0x1f600, false},
    {"the last of all", "\xf4\x8f\xbf\xbf", 0x10ffff, false},
};

static void test_characters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        const char *name = characters[i].name, *text = characters[i].text;
        size_t len = *text ? strlen(text) : 1;
        bool valid = false;
        char back[4];
        CHECK_INT(name, utf8_step(text, text + len, &valid), len);
        CHECK_INT(name, valid, true);
        CHECK_INT(name, utf8_code(text, (unsigned)len), characters[i].code);
        CHECK_INT(name, utf8_encode(characters[i].code, back), len);
        CHECK_INT(name, memcmp(back, text, len), 0);
        CHECK_INT(name, utf8_steers(characters[i].code), characters[i].steers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_characters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
