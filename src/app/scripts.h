/* The scripts of a run as its options name them. */
#pragma once

#include "app/data.h"
#include "app/options.h"
#include "app/session.h"
#include "script/script.h"

/* All arguments are borrowed for as long as the scripts are open. */
struct script_config scripts_config(const struct options *options, const struct data_source *data,
                                    const struct script_services *services,
                                    const struct session *session);
