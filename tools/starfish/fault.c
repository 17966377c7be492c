/*
 * fault: faults that are asked for while the instance runs. The supervisor is
 * the writer of a slot's words; without it there is nothing to ask.
 */
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "super.h"
#include "view.h"

static void
read_words(const struct board_slot *b, struct conf_fault *f)
{
	uint32_t word[FAULT_WORDS], i;

	for (i = 0; i < FAULT_WORDS; i++)
		word[i] = atomic_load(&b->fault.word[i]);
	conf_fault_from(f, word);
}

void
fault_text(const struct board_slot *b, char *buf, size_t len)
{
	struct conf_fault f;

	read_words(b, &f);
	conf_fault_text(&f, buf, len);
}

int
fault_set(struct super *s, uint32_t slot, const char *text, char *err,
    size_t errlen)
{
	struct board_slot *b;
	struct conf_fault f;
	uint32_t word[FAULT_WORDS], i;
	char now[256];

	if (s->board == NULL || slot >= s->nslots) {
		snprintf(err, errlen, "no slot %u: 0 to %u", slot,
		    s->nslots - 1);
		return -1;
	}
	if (!s->conf.faults) {
		snprintf(err, errlen, "faults are allowed only where the "
		    "configuration says faults = true");
		return -1;
	}
	b = &s->board->slot[slot];
	read_words(b, &f);
	if (conf_fault_set(&f, text, err, errlen) < 0)
		return -1;
	conf_fault_words(&f, word);
	for (i = 0; i < FAULT_WORDS; i++)
		atomic_store(&b->fault.word[i], word[i]);
	/* last: pairs with the worker's look at it */
	atomic_fetch_add(&b->fault.turn, 1);
	super_ring(s, slot);
	conf_fault_text(&f, now, sizeof(now));
	super_say(s, "slot %u: faults: %s", slot, now[0] != '\0' ? now :
	    "none");
	snprintf(err, errlen, "slot %u: %s", slot, now[0] != '\0' ? now :
	    "no faults");
	return 0;
}
