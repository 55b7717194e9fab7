/* What the iterators over data files share: a file read in pieces, by a userdata with a finaliser,
 * so that the file is closed however the script leaves it. It is the first upvalue of every
 * iterator of the module `dataset`. */
#pragma once

#include <stdio.h>

#include "script/state.h"
#include "wire/csv.h"

struct reader {
    char *path; /* NULL once the file has been read to its end */
    FILE *file;
    char *piece;
    struct span rest; /* of the piece, for lines and CSV rows */
    uint64_t line;    /* number of the line or element read last, from 1; of a row its first */
    uint64_t lines;   /* CSV: lines passed */
    uint64_t bytes;   /* read so far */
    struct buf text;  /* the line or row read last, without its end */
    struct json json;
    bool list;       /* lines else */
    bool begun;      /* dataset.rows has looked which of them */
    bool list_begun; /* its '[' has been read */
    struct csv csv;
    char separator;
    bool header;    /* the first row names the columns … */
    size_t columns; /* … which are so many; 0 = it has not been read */
    int read_errno;
    uint64_t malformed;
};

/* Makes an iterator over the file whose path is argument 1. -- … step */
struct reader *reader_make(lua_State *lua, lua_CFunction step);
struct reader *reader_of(lua_State *lua); /* inside a step */
/* The reader behind the iterator at index 1; throws when there is none, or no row. */
struct reader *reader_argument(lua_State *lua);

/* The next piece of the file, without the byte order mark it may begin with; empty at the end and
 * after an error, which reader_check throws. A refill function of the JSON reader. */
struct span reader_refill(void *reader);
void reader_check(lua_State *lua, const struct reader *reader);
/* Throws that the line or row read last, `what`, has more bytes than --max-row-bytes allows. */
void reader_too_long(lua_State *lua, const struct reader *reader, const char *what);
/* The next line without its end; false at the end of the file. */
bool reader_line(lua_State *lua, struct reader *reader, struct span *line);
/* Counts the row read last as malformed, once however often the file is read, and names the first
 * ones: "PATH:LINE: skippedBEFORE: WHY". */
void reader_skip(lua_State *lua, struct reader *reader, const char *before, const char *why);
/* Says how many more were skipped and closes the file. */
void reader_end(lua_State *lua, struct reader *reader);
