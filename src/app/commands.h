/* The commands; help and version are in app.c, the others in a file each. They print their own
 * errors and return the exit code. */
#pragma once

int run_cmd(int argc, char **argv, int first);    /* run_cmd.c */
int mock_cmd(int argc, char **argv, int first);   /* mock_cmd.c */
int export_cmd(int argc, char **argv, int first); /* export_cmd.c */
int try_cmd(int argc, char **argv, int first);    /* try_cmd.c */
int new_cmd(int argc, char **argv, int first);    /* new_cmd.c */
int help_cmd(int argc, char **argv, int first);
int version_cmd(int argc, char **argv, int first);
