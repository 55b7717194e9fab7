/* The machine and the libraries in one line each, for reports. */
#pragma once

/* The name it goes by in the network. Owned. */
char *host_name(void);
/* "Linux 6.1.0 x86_64, 2 CPUs, 24 GiB"; what cannot be found out is left out. Owned. */
char *host_line(void);
/* The libraries that do the work, with their versions, blank-separated. Owned. */
char *host_libraries(void);
