/* What the mock server is told to do wrong. By its last byte an input is a scenario file, a --fault
 * or the parameters of a URL: refused with a sentence, or something that can be carried out. */
#include "fuzz.h"

#include "base/mem.h"
#include "mock/faults.h"
#include "mock/overrides.h"
#include "mock/scenario.h"

static void must_say(bool ok, const struct err *err, struct span input)
{
    if (!ok && !err->text[0])
        fuzz_fail("refused without a sentence", input);
}

/* ---- scenarios ---- */

/* What carrying it out relies on: scene.c. */
static void check_steps(const struct mock_scenario *scenario, struct span input)
{
    size_t bytes = 0, open[MOCK_SCENARIO_DEPTH], depth = 0;
    for (size_t i = 0; i < scenario->count; i++) {
        const struct mock_step *step = &scenario->steps[i];
        bool sends = step->kind == MOCK_STEP_SEND || step->kind == MOCK_STEP_DRIP;
        if (sends != (step->bytes != NULL) || sends != (step->len > 0))
            fuzz_fail("a step sends nothing, or another than one that sends has bytes", input);
        bytes += step->len;
        if (step->kind == MOCK_STEP_REPEAT) {
            if (depth == MOCK_SCENARIO_DEPTH || step->times == 0)
                fuzz_fail("repeats are too deep, or are for no time", input);
            open[depth++] = i;
        } else if (step->kind == MOCK_STEP_END) {
            if (depth == 0 || step->jump != open[--depth] ||
                scenario->steps[step->jump].jump != i || step->jump + 1 == i)
                fuzz_fail("a repeat's ends do not know each other, or hold nothing", input);
        }
    }
    if (depth > 0 || bytes > MOCK_SCENARIO_BYTES || scenario->count > MOCK_SCENARIO_STEPS + 2)
        fuzz_fail("a repeat is open, or a ceiling is passed", input);
}

static void scenario(struct span input)
{
    struct mock_scenario scenario;
    struct err err = {.text = ""};
    bool ok = mock_scenario_parse(&scenario, "s", input, NULL, &err);
    must_say(ok, &err, input);
    if (ok != (scenario.count > 0))
        fuzz_fail("a scenario without steps, or steps of one that was refused", input);
    check_steps(&scenario, input);
    mock_scenario_fini(&scenario);
}

/* ---- faults and URLs ---- */

/* One a line. */
static void faults(struct span input)
{
    struct mock_faults faults = {.count = 0};
    struct err err = {.text = ""};
    char *text = mem_copy(input.data, input.len), *rest = text, *line;
    double shares = 0;
    bool ok = true;
    while (ok && (line = strsep(&rest, "\n")))
        ok = mock_faults_add(&faults, line, &err);
    must_say(ok, &err, input);
    for (size_t i = 0; i < faults.count; i++)
        shares += faults.uses[i].share;
    if (ok && !(shares <= 1.000001))
        fuzz_fail("the shares add up to more than all", input);
    for (uint64_t request = 0; ok && request < 16; request++)
        mock_faults_pick(&faults, 7, request, request % 2, request % 3);
    mock_faults_fini(&faults);
    free(text);
}

static void parameters(struct span input)
{
    struct mock_config config = {.tokens = 4};
    struct mock_overrides over;
    struct err err = {.text = ""};
    bool ok = mock_overrides_parse(&config, input, "access_token", &over, &err);
    must_say(ok, &err, input);
    const int64_t least[] = {over.ttft_ns, over.itl_ns, over.tokens, over.status, over.abort,
                             over.reset,   over.stall,  over.error,  over.ping,   over.coal - 2};
    for (size_t i = 0; ok && i < sizeof least / sizeof *least; i++)
        if (least[i] < -1)
            fuzz_fail("a count is below nothing", input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct span input) = {scenario, faults, parameters};
    if (size > 0)
        kinds[data[size - 1] % 3](span_of((const char *)data, size - 1));
    return 0;
}
