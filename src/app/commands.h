/* The commands; help and version are in app.c, the others in a file each. They print their own
 * errors and return the exit code. */
#pragma once

int run_cmd(int argc, char **argv, int first);        /* run_cmd.c */
int mock_cmd(int argc, char **argv, int first);       /* mock_cmd.c */
int calibrate_cmd(int argc, char **argv, int first);  /* calibrate_cmd.c */
int export_cmd(int argc, char **argv, int first);     /* export_cmd.c */
int report_cmd(int argc, char **argv, int first);     /* report_cmd.c */
int try_cmd(int argc, char **argv, int first);        /* try_cmd.c */
int new_cmd(int argc, char **argv, int first);        /* new_cmd.c */
int tokenize_cmd(int argc, char **argv, int first);   /* tokenize_cmd.c */
int experiment_cmd(int argc, char **argv, int first); /* experiment_cmd.c */
int help_cmd(int argc, char **argv, int first);
int version_cmd(int argc, char **argv, int first);

/* What the experiment named there declares as its options, for the help: `own`, released by
 * script_options_fini in any case. Returns the exit code; what is wrong has been said. */
struct script_options;
int experiment_help(int argc, char **argv, int first, struct script_options *own);
