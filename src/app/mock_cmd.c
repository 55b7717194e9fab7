/* `llmbench mock`: a server until Ctrl-C. */
#include "app/commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/app.h"
#include "app/mock_options.h"
#include "io/loop.h"
#include "mock/faults.h"
#include "mock/mock.h"
#include "token/tokenizer.h"

enum { MOCK_DESCRIPTORS = 20000 }; /* room for 10,000 streams and then some */

static void say_where(void *arg, const char *host, uint16_t port)
{
    bool bare_ipv6 = strchr(host, ':') && host[0] != '[';
    (void)arg;
    printf("llmbench mock: listening on http://%s%s%s:%u (Ctrl-C stops it)\n", bare_ipv6 ? "[" : "",
           host, bare_ipv6 ? "]" : "", (unsigned)port);
    fflush(stdout);
}

struct misdeeds {
    struct mock_faults faults;
    struct mock_scenario scenario;
};

static bool read_misdeeds(struct misdeeds *out, const struct mock_spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->faults.count; i++)
        if (!mock_faults_add(&out->faults, spec->faults.items[i], err))
            return false;
    if (spec->scenario && out->faults.count)
        return err_set(err, "--scenario says what every answer is: it does not go with --fault");
    return !spec->scenario || mock_scenario_load(&out->scenario, spec->scenario, err);
}

static void free_misdeeds(struct misdeeds *misdeeds)
{
    mock_faults_fini(&misdeeds->faults);
    mock_scenario_fini(&misdeeds->scenario);
}

static bool wants_list(const struct mock_spec *spec)
{
    for (size_t i = 0; i < spec->faults.count; i++)
        if (strcmp(spec->faults.items[i], "list") == 0)
            return true;
    return false;
}

static void print_faults(void)
{
    struct buf out;
    buf_init(&out, 64 << 10);
    mock_faults_list(&out);
    fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

/* A descriptor that becomes readable at Ctrl-C; the signals are blocked. */
static int stop_descriptor(struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        err_set(err, "signalfd: %s", strerror(errno));
    return fd;
}

static struct mock_config config_of(const struct mock_spec *spec, const struct misdeeds *misdeeds,
                                    const struct tokenizer *tokenizer, int stop_fd)
{
    return (struct mock_config){
        .dialect = spec->dialect,
        .host = spec->host,
        .port = (uint16_t)spec->port,
        .ttft_ns = spec->ttft_ns,
        .itl_ns = spec->itl_ns,
        .jitter = spec->jitter,
        .tokens = (uint32_t)spec->tokens,
        .tokenizer = tokenizer,
        .no_usage = strcmp(spec->usage, "off") == 0,
        .slots = (uint32_t)spec->slots,
        .max_body = spec->max_request_bytes,
        .seed = (uint64_t)spec->seed,
        .api_key = spec->api_key,
        .model = spec->model,
        .token_life_ns = spec->token_life_ns,
        .faults = misdeeds->faults.count ? &misdeeds->faults : NULL,
        .scenario = misdeeds->scenario.count ? &misdeeds->scenario : NULL,
        .stop_fd = stop_fd,
        .listening = say_where,
    };
}

static bool serve(const struct mock_spec *spec, const struct misdeeds *misdeeds, struct err *err)
{
    struct tokenizer *tokenizer = NULL;
    signals_block();
    loop_raise_descriptors(MOCK_DESCRIPTORS);
    if (spec->tokenizer_path && !(tokenizer = tokenizer_load(spec->tokenizer_path, err)))
        return err_prefix(err, "--tokenizer-path");
    int stop_fd = stop_descriptor(err);
    struct mock_config config = config_of(spec, misdeeds, tokenizer, stop_fd);
    bool ok = stop_fd >= 0 && mock_serve(&config, err);
    if (stop_fd >= 0)
        close(stop_fd);
    tokenizer_free(tokenizer);
    return ok;
}

int mock_cmd(int argc, char **argv, int first)
{
    struct err err;
    struct mock_options options;
    struct misdeeds misdeeds = {0};
    int code = EXIT_DONE;
    bool known = mock_options_read(&options, argc, argv, first, &err);
    if (known && wants_list(&options.spec))
        print_faults();
    else if (!known || !read_misdeeds(&misdeeds, &options.spec, &err))
        code = EXIT_BAD_OPTIONS;
    else if (!serve(&options.spec, &misdeeds, &err))
        code = EXIT_CANNOT_START;
    if (code != EXIT_DONE)
        fprintf(stderr, "llmbench mock: %s\n", err.text);
    free_misdeeds(&misdeeds);
    mock_options_fini(&options);
    return code;
}
