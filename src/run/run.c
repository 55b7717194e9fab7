#include "run/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "model/run_spec.h"
#include "run/counter.h"
#include "run/hooks.h"
#include "run/pin.h"
#include "run/stage.h"
#include "script/watch.h"

/* A hook on the main thread that lasts longer is cut short by Ctrl-C. */
static const uint64_t MAIN_HOOK_PATIENCE_NS = NS_PER_S;

/* What lives as long as the run: the scripts with their place in the data, and main's station. */
struct run {
    struct run_config *config;
    struct run_place place; /* where it began */
    struct pin pin;
    struct watch *watch;
    _Atomic bool opened;           /* signals are heard by the collector */
    _Atomic(struct stage *) stage; /* under way; NULL = none */
    struct composer composer;
    struct scorer *scorers;
    size_t scorer_count;
    struct shared *shared;
    struct hooks hooks;
    struct collector collector;
    bool collector_ready;
};

/* ---- hooks that do not return ---- */

static void given_up(void *arg, struct script *script, const char *sentence)
{
    struct run *run = arg;
    struct stage *stage = atomic_load(&run->stage);
    /* Main itself is inside the script of the hooks: nobody could take the stage down. */
    if (stage && script != run->hooks.script)
        stage_give_up(stage, script, sentence);
    else if (run->config->stuck)
        run->config->stuck(run->config->arg, sentence);
}

/* Ctrl-C that nobody else hears: before the run, and while main is inside a hook for too long. */
static bool hurried(void *arg, const struct script *script, uint64_t lasted_ns)
{
    struct run *run = arg;
    bool hears = atomic_load(&run->opened) &&
                 (script != run->hooks.script || lasted_ns < MAIN_HOOK_PATIENCE_NS);
    return !hears && signals_pending();
}

static bool open_watch(struct run *run, struct err *err)
{
    const struct watch_config config = {
        .limit_ns = run->config->spec->hook_timeout_ns,
        .hurried = hurried,
        .given_up = given_up,
        .arg = run,
    };
    run->watch = run->config->script.watch = watch_new(&config, err);
    return run->watch != NULL;
}

/* ---- setting up ---- */

static void copy_script_facts(struct run_facts *facts, const struct script_facts *script)
{
    facts->api = mem_printf("%s (%s)", script->api_name, script->api_where);
    facts->dataset = script->dataset_where
                         ? mem_printf("%s (%s)", script->dataset_name, script->dataset_where)
                         : mem_text(script->dataset_name);
    if (script->own) /* reports outlive the scripts */
        facts->own = memcpy(MEM_NEW(struct own_metrics), script->own, sizeof *facts->own);
}

static size_t most_threads(const struct run_config *config)
{
    size_t wanted = 1;
    for (size_t i = 0; i < config->plan_count; i++)
        if (config->plans[i].threads > wanted)
            wanted = config->plans[i].threads;
    return wanted;
}

/* What a script names by chance, or by a file that changed meanwhile, would go into the wrong
 * columns. */
static bool same_metrics(const struct run *run, const struct script *script, struct err *err)
{
    const struct script_facts *facts = script_facts(script);
    return own_metrics_equal(script_facts(run->composer.script)->own, facts->own) ||
           err_set(err, "%s: 'metrics' is not the same each time the script is loaded",
                   facts->api_where);
}

static bool open_scorers(struct run *run, struct err *err)
{
    struct script_config config = run->config->script;
    size_t wanted = most_threads(run->config);
    config.role = SCRIPT_SCORER;
    run->scorers = mem_zero(wanted, sizeof *run->scorers);
    for (; run->scorer_count < wanted; run->scorer_count++) {
        struct script *script = script_open(&config, err);
        if (!script)
            return false;
        run->scorers[run->scorer_count].script = script;
        if (run->config->tokenizer)
            run->scorers[run->scorer_count].counter =
                counter_new(run->config->tokenizer, run->config->spec->check_tokens);
        if (!same_metrics(run, script, err) ||
            !script_set_setup(script, script_setup_result(run->composer.script), err)) {
            run->scorer_count++;
            return false;
        }
    }
    return true;
}

static uint32_t first_stage(const struct run *run)
{
    return run->config->resume ? run->config->resume->stage : 0;
}

static bool run_open(struct run *run, struct err *err)
{
    struct run_config *config = run->config;
    if (!open_watch(run, err))
        return false;
    config->script.shared = run->shared = shared_new();
    struct script_config script = config->script;
    script.role = SCRIPT_COMPOSER;
    if (!(run->composer.script = script_open(&script, err)))
        return false;
    run->composer.next_index = run->place.arrival;
    run->composer.passed_over = run->place.items;
    const struct script_facts *facts = script_facts(run->composer.script);
    copy_script_facts(config->facts, facts);
    config->http.end_marker = facts->end_marker;
    run->composer.resume = config->resume;
    run->composer.stage = run->place.stage + first_stage(run);
    if (!open_scorers(run, err) ||
        !hooks_open(&run->hooks, &config->script, run->composer.script, err) ||
        !composer_open(&run->composer, &config->plans[first_stage(run)], err) ||
        !config->ready(config->arg, facts, &config->http, err))
        return false;
    run->collector_ready = collector_init(&run->collector, config, &run->hooks, err);
    atomic_store(&run->opened, true);
    return run->collector_ready;
}

/* ---- stages ---- */

static struct report *next_report(struct reports *reports)
{
    reports->items = mem_resize(reports->items, reports->count + 1, sizeof *reports->items);
    reports->items[reports->count] = (struct report){0};
    return &reports->items[reports->count++];
}

static void report_stage(struct run *run, struct stage *stage, struct reports *reports, bool last)
{
    struct report *report = next_report(reports);
    stage_report(stage, report);
    hooks_report(&run->hooks, report, last);
    report_judge(report, &run->config->spec->fail_on);
    collector_stage_end(&run->collector, report);
    if (run->config->stage_done)
        run->config->stage_done(run->config->arg, report);
}

/* True: the run goes on with the next stage. */
static bool goes_on(const struct run *run, enum run_end end)
{
    return !run->collector.interrupts && !run->composer.failure && end != RUN_END_INTERRUPTED &&
           end != RUN_END_MEMORY && end != RUN_END_SCRIPT_ERRORS && end != RUN_END_DATA_FAILED &&
           end != RUN_END_STAGE_FAILED && end != RUN_END_ERRORS && end != RUN_END_HOOK_TIMEOUT;
}

static bool run_stage(struct run *run, uint32_t i, struct reports *reports, struct err *err)
{
    struct stage stage = {
        .config = run->config,
        .plan = &run->config->plans[i],
        .number = run->place.stage + i,
        .composer = &run->composer,
        .scorers = run->scorers,
        .scorer_count = run->scorer_count,
        .collector = &run->collector,
        .watch = run->watch,
        .pin = &run->pin,
    };
    atomic_store(&run->stage, &stage);
    bool ok = stage_open(&stage, err) && stage_run(&stage, err);
    if (ok) {
        reports->end = stage_end(&stage);
        bool last = !goes_on(run, reports->end) || i + 1 == run->config->plan_count;
        /* A warm-up that ends the run is the only report there is. */
        if (!stage.plan->warmup || last)
            report_stage(run, &stage, reports, last);
    }
    atomic_store(&run->stage, NULL);
    stage_close(&stage);
    return ok;
}

static bool run_stages(struct run *run, struct reports *reports, struct err *err)
{
    const struct run_config *config = run->config;
    for (size_t i = 0; i < config->plan_count; i++)
        reports->planned += !config->plans[i].warmup;
    uint32_t first = first_stage(run);
    for (uint32_t i = first; i < config->plan_count; i++) {
        if (i > first && (!goes_on(run, reports->end) || signals_pending()))
            break;
        if (i > first && config->plans[i].rest_ns &&
            !collector_rest(&run->collector, config->plans[i].rest_ns))
            break;
        if (run_stage(run, i, reports, err))
            continue;
        if (!reports->count)
            return false;
        /* What the stages before have measured stands. */
        log_error(config->log, "stage %u could not start: %s", run->place.stage + i, err->text);
        reports->end = RUN_END_STAGE_FAILED;
    }
    reports->interrupted = run->collector.interrupts > 0 || signals_pending();
    if (reports->interrupted)
        reports->end = RUN_END_INTERRUPTED;
    return true;
}

/* What was composed and not started is left for the next run, with what has not been read. */
static void leave_place(const struct run *run)
{
    const struct composer *composer = &run->composer;
    uint64_t items = script_place(composer->script), kept = composer_unstarted(composer);
    *run->config->place = (struct run_place){
        .stage = run->place.stage + (uint32_t)run->config->plan_count,
        .arrival = composer->next_index,
        .items = items > kept ? items - kept : 0,
        .body_bytes = run->collector.keeping.bytes,
        .bodies_full = run->collector.keeping.full,
    };
}

/* ---- taking down ---- */

/* False: a thread that was given up is still inside it. */
static bool close_script(struct script *script)
{
    if (script && script_given_up(script))
        return false;
    script_close(script);
    return true;
}

/* False: some thread may still look at what was the run's. */
static bool run_close(struct run *run)
{
    bool ours = true;
    if (run->collector_ready)
        collector_fini(&run->collector);
    for (size_t i = 0; i < run->scorer_count; i++) {
        bool closed = close_script(run->scorers[i].script);
        if (closed)
            counter_free(run->scorers[i].counter);
        ours &= closed;
    }
    ours &= close_script(run->hooks.script);
    ours &= close_script(run->composer.script);
    run->config->script.shared = NULL;
    composer_fini(&run->composer);
    if (!ours)
        return false;
    free(run->scorers);
    shared_free(run->shared);
    watch_free(run->watch);
    free(run);
    return true;
}

bool run_execute(struct run_config *config, struct reports *reports, struct err *err)
{
    struct run *run = MEM_NEW(struct run);
    run->config = config;
    if (config->place)
        run->place = *config->place;
    *reports = (struct reports){0};
    if (config->spec->pin)
        pin_begin(&run->pin, most_threads(config), config->log);
    bool ok = run_open(run, err) && run_stages(run, reports, err);
    if (ok && config->place && !script_given_up(run->composer.script))
        leave_place(run);
    if (ok && !config->place)
        collector_end(&run->collector, reports);
    pin_end(&run->pin);
    reports->stuck = !run_close(run);
    return ok;
}
