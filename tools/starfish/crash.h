/*
 * crash: how the last process of a slot died: signal, backtrace, what it had
 * in hand.
 */
#ifndef STARFISH_CRASH_H
#define STARFISH_CRASH_H

#include <stdio.h>

#include <jansson.h>

#include "inst.h"

/* Whether anything is known of how this slot's last process died. */
int	crash_known(const struct inst *in, uint32_t slot);

/* A paragraph; nothing if nothing is known. */
void	crash_text(const struct inst *in, uint32_t slot, FILE *out);

/* The same as a value; null if nothing is known. */
json_t	*crash_json(const struct inst *in, uint32_t slot);

#endif
