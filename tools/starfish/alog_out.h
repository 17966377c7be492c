/*
 * alog_out: a line of the access log.
 */
#ifndef STARFISH_ALOG_OUT_H
#define STARFISH_ALOG_OUT_H

#include <stdint.h>
#include <stdio.h>

#include "../../common/alog.h"

enum alog_format { ALOG_COMMON, ALOG_COMBINED, ALOG_JSON };

/*
 * Write one line for a record. Whatever the texts hold, it stays one line, and
 * valid JSON: controls, quotes and bytes above 127 are escaped. Errors show in
 * ferror(f).
 */
void	alog_print(FILE *f, enum alog_format how, uint32_t slot,
	    const struct alog_rec *r, char *const text[ALOG_TEXTS]);

#endif
