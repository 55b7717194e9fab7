#include "app/calibrate.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/host.h"
#include "app/mock_child.h"
#include "app/one_run.h"
#include "app/session.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "out/calibration.h"
#include "out/stamps.h"

#define LATE_SHARE_OF_ITL 0.1 /* a server later than this (p99) is no measure … */
#define LATE_LEAST_S 0.001    /* … but never mind less than this */
#define NEAR 1.15             /* how near both bounds of the search come */
#define MOST_STREAMS 10000.0
#define MOST_RATE 100000.0

enum { TRIES = 2, BASE_TRIES = 3, WORDS_MOST = 40 };

struct calibrator {
    const struct calibrate_spec *spec;
    struct calibration *found;
    struct mock_child mock;
    char *folder; /* of the database and the log, which go away */
    struct session session;
    struct options options; /* the session's */
    bool options_read;
    struct run_place place;
    struct stamps *stamps;
    uint64_t until_ns; /* the search has time */
};

/* ---- the words of a run ---- */

struct words {
    char *items[WORDS_MOST];
    int count;
};

static void PRINTF_LIKE(2, 3) word(struct words *words, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vasprintf(&words->items[words->count], format, args) >= 0)
        words->count++;
    va_end(args);
}

static void words_fini(struct words *words)
{
    for (int i = 0; i < words->count; i++)
        free(words->items[i]);
}

static double answer_s(const struct calibrate_spec *spec)
{
    return clock_seconds(spec->ttft_ns + (uint64_t)(spec->tokens - 1) * spec->itl_ns);
}

/* Streams that all began at once would bring all their events at once, which no load of users does;
 * so they begin within a second, or within an answer's length if that is less. */
static double spawn_rate(const struct calibrate_spec *spec, double streams)
{
    double over_s = fmax(0.01, fmin(fmin(1, answer_s(spec)), clock_seconds(spec->duration_ns) / 2));
    return fmin(1e6, fmax(1, streams / over_s));
}

static void load_words(const struct calibrator *calibrator, double load, struct words *words)
{
    const struct calibrate_spec *spec = calibrator->spec;
    static const char *const fixed[] = {"--api",    "openai",   "--model", "mock",
                                        "--prompt", "Hello.",   "--quiet", "--report",
                                        "none",     "--stream", "--name",  "run"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        word(words, "%s", fixed[i]);
    word(words, "--url=http://127.0.0.1:%u/v1/chat/completions", calibrator->mock.port);
    word(words, "--outputs-dir=%s", calibrator->folder);
    word(words, "--threads=%lld", (long long)spec->threads);
    word(words, "--duration=%lluns", (unsigned long long)spec->duration_ns);
    if (spec->rate > 0) {
        word(words, "--rate=%.9g", load);
    } else {
        word(words, "--parallel=%.0f", load);
        word(words, "--spawn-rate=%.9g", spawn_rate(spec, load));
    }
}

static bool read_options(const struct calibrator *calibrator, double load, struct options *options,
                         struct err *err)
{
    struct words words = {0};
    load_words(calibrator, load, &words);
    bool ok = options_read(options, words.count, words.items, 0, calibrator->session.secrets, err);
    words_fini(&words);
    return ok;
}

/* ---- one load ---- */

static void take_trust(const struct report *report, bool open, struct calibration_probe *probe)
{
    const struct trust *trust = &report->trust;
    const struct summary *whole = &report->whole;
    probe->sound = report->verdict.sound;
    for (size_t i = 0; !probe->sound && i < report->verdict.count && !probe->why[0]; i++)
        if (!report->verdict.remark[i])
            snprintf(probe->why, sizeof probe->why, "%s", report->verdict.reason[i]);
    probe->receive = (struct calibration_spread){
        .n = trust->reads_kernel,
        .p50 = trust->receive_delay_p50,
        .p99 = trust->receive_delay_p99,
        .max = trust->receive_delay_max,
    };
    probe->coalesced_share =
        whole->gaps ? (double)whole->coalesced_gaps / (double)whole->gaps : (double)NAN;
    probe->worker_cpu_share = trust->worker_cpu_share;
    probe->composer_cpu_share = trust->composer_cpu_share;
    probe->scorer_cpu_share = trust->scorer_cpu_share;
    probe->achieved = open ? trust->achieved_rate : trust->achieved_concurrency;
}

static bool too_late(const struct calibrate_spec *spec, const struct calibration_probe *probe)
{
    double limit = fmax(LATE_LEAST_S, LATE_SHARE_OF_ITL * clock_seconds(spec->itl_ns));
    return probe->late.p99 > limit;
}

static int run_load(struct calibrator *calibrator, const struct options *options,
                    struct calibration_probe *probe, struct err *err)
{
    struct session *session = &calibrator->session;
    struct one_run run;
    stamps_clear(calibrator->stamps);
    calibrator->place.items = 0; /* one prompt, again and again */
    one_run_init(&run, session, options);
    int code = one_run_carry_out(&run, err);
    if (code == EXIT_DONE && (run.reports.interrupted || !run.reports.count)) {
        code = EXIT_INTERRUPTED;
    } else if (code == EXIT_DONE) {
        take_trust(&run.reports.items[0], calibrator->spec->rate > 0, probe);
        stamps_report(calibrator->stamps, probe);
        probe->server_late = too_late(calibrator->spec, probe);
    }
    one_run_fini(&run);
    return code;
}

static void say(const struct calibrator *calibrator, const struct calibration_probe *probe)
{
    char load[64], error[64];
    if (calibrator->spec->quiet)
        return;
    calibration_load_text(calibrator->spec->rate > 0, probe->load, load, sizeof load);
    fprintf(stderr, "llmbench: %s: ITL error p99 %s, %s\n", load,
            units_show_seconds(error, sizeof error, probe->itl.p99),
            probe->server_late ? "but the server itself was late"
            : probe->sound     ? "sound"
                               : probe->why);
}

static bool good(const struct calibration_probe *probe)
{
    return probe->sound && !probe->server_late;
}

/* A machine that others use too has its bad moments: what is not good is tried again. */
static int try_load(struct calibrator *calibrator, double load, int tries,
                    struct calibration_probe *probe, struct err *err)
{
    int code = EXIT_DONE;
    for (int i = 0; code == EXIT_DONE && i < tries && (i == 0 || !good(probe)); i++) {
        struct options options;
        *probe = (struct calibration_probe){.load = load};
        code = read_options(calibrator, load, &options, err) ? EXIT_DONE : options.code;
        if (code == EXIT_DONE)
            code = run_load(calibrator, &options, probe, err);
        if (code == EXIT_DONE)
            say(calibrator, probe);
        options_fini(&options);
    }
    return code;
}

/* ---- the search ---- */

struct bounds {
    double sound, unsound; /* 0, INFINITY = not known */
};

/* The next load to try; 0 = near enough, or the end of what can be tried. */
static double next_load(const struct calibrator *calibrator, const struct bounds *bounds)
{
    bool open = calibrator->spec->rate > 0;
    double most = open ? MOST_RATE : MOST_STREAMS, next;
    if (isinf(bounds->unsound))
        next = fmin(most, bounds->sound * 2);
    else if (bounds->sound > 0 && bounds->unsound <= bounds->sound * NEAR)
        return 0;
    else
        next = bounds->sound > 0 ? (bounds->sound + bounds->unsound) / 2 : bounds->unsound / 2;
    if (!open)
        next = floor(next);
    bool fresh = next > bounds->sound && next < bounds->unsound;
    return fresh && (!open || next >= 0.001) ? next : 0;
}

static bool has_time(const struct calibrator *calibrator)
{
    double takes_s = clock_seconds(calibrator->spec->duration_ns) + answer_s(calibrator->spec);
    return clock_now_ns() + (uint64_t)(takes_s * 1e9) <= calibrator->until_ns;
}

static void note(struct calibrator *calibrator, const struct calibration_probe *probe,
                 struct bounds *bounds)
{
    struct calibration *found = calibrator->found;
    found->probes = mem_resize(found->probes, found->probe_count + 1, sizeof *found->probes);
    found->probes[found->probe_count++] = *probe;
    if (good(probe)) {
        bounds->sound = found->sound_up_to = probe->load;
        return;
    }
    bounds->unsound = found->stops_at = probe->load;
    found->limit = probe->server_late ? CALIBRATION_SERVER : CALIBRATION_CLIENT;
    memcpy(found->why, probe->why, sizeof found->why);
}

/* A load that this system does not allow (descriptors) is a bound as well. */
static int search(struct calibrator *calibrator, struct err *err)
{
    struct bounds bounds = {.unsound = (double)INFINITY};
    struct calibration *found = calibrator->found;
    uint64_t began_ns = clock_now_ns();
    int code = EXIT_DONE;
    double load;
    calibrator->until_ns = began_ns + calibrator->spec->search_ns;
    found->limit = CALIBRATION_MOST;
    note(calibrator, &found->base, &bounds);
    while ((load = next_load(calibrator, &bounds)) > 0) {
        struct calibration_probe probe;
        if (!has_time(calibrator)) {
            found->out_of_time = true;
            if (isnan(found->stops_at))
                found->limit = CALIBRATION_TIME;
            break;
        }
        code = try_load(calibrator, load, TRIES, &probe, err);
        if (code == EXIT_INTERRUPTED || calibrator->session.stuck)
            break;
        if (code != EXIT_DONE)
            snprintf(probe.why, sizeof probe.why, "%.190s", err->text);
        note(calibrator, &probe, &bounds);
        code = EXIT_DONE;
    }
    found->search_s = clock_seconds(clock_now_ns() - began_ns);
    return code;
}

/* ---- the whole ---- */

static bool start_mock(struct calibrator *calibrator, struct err *err)
{
    const struct calibrate_spec *spec = calibrator->spec;
    char ttft[32], itl[32], tokens[32];
    const char *const words[] = {"--jitter", "0",        "--ttft", ttft, "--itl",
                                 itl,        "--tokens", tokens,   NULL};
    snprintf(ttft, sizeof ttft, "%lluns", (unsigned long long)spec->ttft_ns);
    snprintf(itl, sizeof itl, "%lluns", (unsigned long long)spec->itl_ns);
    snprintf(tokens, sizeof tokens, "%lld", (long long)spec->tokens);
    return mock_child_start(&calibrator->mock, words, err);
}

static bool make_folder(struct calibrator *calibrator, struct err *err)
{
    const char *temporary = getenv("TMPDIR");
    calibrator->folder = mem_printf("%s/llmbench-calibrate-XXXXXX",
                                    temporary && temporary[0] == '/' ? temporary : "/tmp");
    if (mkdtemp(calibrator->folder))
        return true;
    free(calibrator->folder);
    calibrator->folder = NULL;
    return err_set(err, "cannot make a folder for the results of the runs; see TMPDIR");
}

static void describe(struct calibrator *calibrator, double load)
{
    const struct calibrate_spec *spec = calibrator->spec;
    *calibrator->found = (struct calibration){
        .version = LLMBENCH_VERSION,
        .host = host_line(),
        .machine = host_name(),
        .wall_ns = clock_wall_ns(),
        .open = spec->rate > 0,
        .ttft_s = clock_seconds(spec->ttft_ns),
        .itl_s = clock_seconds(spec->itl_ns),
        .seconds = clock_seconds(spec->duration_ns),
        .tokens = (uint64_t)spec->tokens,
        .threads = (uint64_t)spec->threads,
        .base = {.load = load},
        .stops_at = (double)NAN,
    };
}

static int prepare(struct calibrator *calibrator, double load, struct err *err)
{
    struct session *session = &calibrator->session;
    if (!start_mock(calibrator, err) || !make_folder(calibrator, err))
        return EXIT_CANNOT_START;
    calibrator->options_read = true;
    if (!read_options(calibrator, load, &calibrator->options, err))
        return calibrator->options.code;
    session_log(session, true);
    session->place = &calibrator->place;
    session->sinks[SINK_STAMPS] = stamps_sink(calibrator->stamps);
    return session_begin(session, err) ? EXIT_DONE : EXIT_CANNOT_START;
}

static int measure(struct calibrator *calibrator, struct err *err)
{
    const struct calibrate_spec *spec = calibrator->spec;
    struct calibration *found = calibrator->found;
    double load = spec->rate > 0 ? spec->rate : (double)spec->parallel;
    describe(calibrator, load);
    int code = prepare(calibrator, load, err);
    if (code == EXIT_DONE)
        code = try_load(calibrator, load, BASE_TRIES, &found->base, err);
    if (code == EXIT_DONE && found->base.ttft.n == 0) {
        err_set(err, "no answer of the mock server could be measured: %s", found->base.why);
        return EXIT_NOTHING_SUCCEEDED;
    }
    if (code == EXIT_DONE && spec->search_ns && !found->base.server_late)
        code = search(calibrator, err);
    return code;
}

static void clean_up(struct calibrator *calibrator, int code)
{
    struct session *session = &calibrator->session;
    session_end(session, code);
    session_remove_files(session);
    if (calibrator->folder)
        rmdir(calibrator->folder);
    free(calibrator->folder);
    mock_child_stop(&calibrator->mock);
    session_fini(session, code);
    stamps_free(calibrator->stamps);
    if (calibrator->options_read)
        options_fini(&calibrator->options);
}

int calibrate(const struct calibrate_spec *spec, struct calibration *found, struct err *err)
{
    struct calibrator calibrator = {
        .spec = spec,
        .found = found,
        .stamps = stamps_new(spec->ttft_ns, spec->itl_ns),
    };
    err->text[0] = '\0';
    session_init(&calibrator.session, &calibrator.options);
    int code = measure(&calibrator, err);
    clean_up(&calibrator, code);
    return code;
}
