/* Which bodies are kept, by outcome and by what fits. */
#include "check.h"

#include "model/run_spec.h"
#include "model/sample.h"
#include "run/keeping.h"

struct given {
    enum outcome outcome;
    size_t request, responses, text;
    bool left_out; /* before anybody asked */
};

static bool wants(struct keeping *keeping, const struct given *given)
{
    struct request request = {.body_len = given->request};
    struct exchange exchange = {.request = &request};
    struct sample sample = {
        .exchange = &exchange,
        .outcome = given->outcome,
        .responses_len = given->responses,
        .text_len = given->text,
        .bodies_left_out = given->left_out,
    };
    return keeping_wants(keeping, &sample);
}

enum { GIVEN = 4 };

static const struct {
    const char *name;
    char *store;
    uint64_t max;
    struct given given[GIVEN];
    const char *kept; /* y or n, one a sample */
    uint64_t not_asked, past_max, bytes;
} samples_kept[] = {
    {"not said", NULL, 0, {{OUTCOME_OK, 1, 2, 3, false}}, "yyyy", 0, 0, 6},
    {"all",
     "all",
     0,
     {{OUTCOME_OK, 1, 2, 3, false}, {OUTCOME_HTTP_4XX, 9, 0, 0, false}},
     "yyyy",
     0,
     0,
     15},
    {"none",
     "none",
     0,
     {{OUTCOME_OK, 1, 2, 3, false}, {OUTCOME_HTTP_4XX, 9, 0, 0, false}},
     "nnnn",
     4,
     0,
     0},
    {"failed",
     "failed",
     0,
     {{OUTCOME_OK, 1, 2, 3, false},
      {OUTCOME_HTTP_4XX, 9, 0, 0, false},
      {OUTCOME_CANCELLED, 9, 0, 0, false},
      {OUTCOME_TRUNCATED, 1, 1, 1, false}},
     "nyny",
     2,
     0,
     12},
    {"fits exactly",
     "all",
     10,
     {{OUTCOME_OK, 1, 2, 3, false},
      {OUTCOME_OK, 4, 0, 0, false},
      {OUTCOME_OK, 0, 0, 0, false},
      {OUTCOME_OK, 0, 0, 1, false}},
     "yyyn",
     0,
     1,
     10},
    {"none of the later ones, small as they are",
     "all",
     10,
     {{OUTCOME_OK, 5, 0, 0, false},
      {OUTCOME_OK, 6, 0, 0, false},
      {OUTCOME_OK, 1, 0, 0, false},
      {OUTCOME_HTTP_5XX, 0, 0, 0, false}},
     "ynnn",
     0,
     3,
     5},
    {"larger than all", "all", 10, {{OUTCOME_OK, SIZE_MAX / 4, 0, 0, false}}, "nnnn", 0, 4, 0},
    {"failed up to a size",
     "failed",
     10,
     {{OUTCOME_OK, 20, 0, 0, false},
      {OUTCOME_HTTP_4XX, 6, 0, 0, false},
      {OUTCOME_HTTP_4XX, 6, 0, 0, false},
      {OUTCOME_OK, 1, 0, 0, false}},
     "nynn",
     2,
     1,
     6},
    {"given up before",
     "all",
     10,
     {{OUTCOME_OK, 0, 0, 0, true}, {OUTCOME_OK, 9, 0, 0, true}},
     "nnyy",
     0,
     0,
     0},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples_kept / sizeof *samples_kept; i++) {
        const struct run_spec spec = {.store = samples_kept[i].store,
                                      .store_max_bytes = samples_kept[i].max};
        struct keeping keeping;
        keeping_init(&keeping, &spec);
        for (size_t j = 0; j < GIVEN; j++)
            CHECK_INT(samples_kept[i].name, wants(&keeping, &samples_kept[i].given[j]),
                      samples_kept[i].kept[j] == 'y');
        CHECK_INT(samples_kept[i].name, keeping.not_asked, samples_kept[i].not_asked);
        CHECK_INT(samples_kept[i].name, keeping.past_max, samples_kept[i].past_max);
        CHECK_INT(samples_kept[i].name, keeping.bytes, samples_kept[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
