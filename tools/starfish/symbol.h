/*
 * symbol: names of places in a program, from its debugging information, by
 * libdw (elfutils): it knows the formats, and inlined functions.
 */
#ifndef STARFISH_SYMBOL_H
#define STARFISH_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

struct symbols;

/*
 * Open a program file whose path is a worker's word (see trust.h); NULL: it
 * cannot be read, or is not to be. symbol_close() ends it.
 */
struct symbols *symbol_open(const char *path);
void	symbol_close(struct symbols *s);

/*
 * Describe the place at an offset from where the program is loaded:
 * "http_event (http.c:123)", or as much as is known. s may be NULL.
 */
void	symbol_name(struct symbols *s, uint64_t offset, char *buf, size_t len);

#endif
