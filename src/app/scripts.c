#include "app/scripts.h"

#include "model/plan.h"

/* Of the stages; a warm-up before a trace is a closed loop. */
static enum script_pace pace_of(const struct run_spec *spec)
{
    if (plan_is_trace(spec))
        return SCRIPT_TRACE;
    return spec->rate.count ? SCRIPT_OPEN : SCRIPT_CLOSED;
}

struct script_config scripts_config(const struct options *options, const struct data_source *data,
                                    const struct script_services *services,
                                    const struct session *session)
{
    const struct run_spec *spec = &options->spec;
    return (struct script_config){
        .pace = pace_of(spec),
        .file = spec->script,
        .api = spec->api,
        .dataset = spec->dataset,
        .opts = &options->set,
        .data_path = data->path,
        .url = spec->url,
        .model = spec->model,
        .log = session->log,
        .secrets = session->secrets,
        .services = services,
        .seed = (uint64_t)spec->plan_seed,
        .memory_limit = (size_t)spec->lua_memory,
        .limits = {.body = spec->max_request_bytes,
                   .row = spec->max_row_bytes,
                   .head = spec->max_header_bytes,
                   .answer = spec->max_response_bytes},
    };
}
