#include "app/scripts.h"

enum { BODY_LIMIT = 64 << 20 }; /* bytes of one composed request body */

struct script_config scripts_config(const struct options *options, const struct data_source *data,
                                    const struct script_services *services,
                                    const struct session *session)
{
    const struct run_spec *spec = &options->spec;
    return (struct script_config){
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
        .body_limit = BODY_LIMIT,
    };
}
