#include "app/host.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"
#include "io/http.h"
#include "io/loop.h"
#include "out/store.h"
#include "script/script.h"

/* The CPUs this process may run on, which in a container are fewer than the machine's. */
static unsigned usable_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 0;
}

static double memory_bytes(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
            break;
    fclose(file);
    return (double)kib * 1024;
}

char *host_name(void)
{
    struct utsname system;
    return mem_text(uname(&system) == 0 ? system.nodename : "");
}

char *host_line(void)
{
    enum { LIMIT = 1024 };
    struct utsname system;
    struct buf line;
    buf_init(&line, LIMIT);
    if (uname(&system) == 0)
        buf_printf(&line, "%s %s %s", system.sysname, system.release, system.machine);
    unsigned cpus = usable_cpus();
    if (cpus)
        buf_printf(&line, ", %u CPU%s", cpus, cpus == 1 ? "" : "s");
    double memory = memory_bytes();
    char text[32];
    if (memory > 0)
        buf_printf(&line, ", %s", units_show_bytes(text, sizeof text, memory));
    return buf_take(&line);
}

char *host_libraries(void)
{
    return mem_printf("%s %s %s %s", http_library(), loop_library(), script_library(),
                      store_library());
}
