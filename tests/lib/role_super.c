/* role_super: the supervisor of move_roles.h. */
#include "move_roles.h"

#include <stdlib.h>
#include <string.h>

#include "../../tools/starfish/super.h"

static struct super super;

/* ---- what mover.c asks of the rest of the supervisor ---- */

void
super_say(struct super *s, const char *fmt, ...)
{
	(void)s;
	(void)fmt;
}

void
super_ring(const struct super *s, uint32_t slot)
{
	(void)s;
	(void)slot;
}

void
start_slot_name(const struct super *s, uint32_t slot, char *buf, size_t len)
{
	(void)s;
	snprintf(buf, len, "slot %u", slot);
}

void
child_kill(const struct child *c, int sig)
{
	(void)c;
	(void)sig;
	abort();		/* nobody is told to end here */
}

/* ---- the supervisor ---- */

void
role_super_start(struct board *b, uint32_t nslots)
{
	static const struct svc_desc desc;
	uint32_t i;

	memset(&super, 0, sizeof(super));
	super.board = b;
	super.nslots = nslots;
	super.phase = SUPER_SERVING;
	super.conf.nworkers = 1;
	super.conf.workers[0].desc = &desc;
	for (i = 0; i < nslots; i++) {
		slot_init(&super.slot[i], i, &b->slot[i].super);
		super.slot[i].child.pidfd = -1;
	}
}

void
role_super_turn(enum role_wish wish, uint32_t slot, uint32_t takes,
    uint64_t now_us)
{
	struct ctl_request drain = { .verb = CTL_DRAIN, .slot = slot };
	char text[256];
	uint32_t i;

	super.now_us = now_us;
	memset(&super.mover, 0, sizeof(super.mover));
	for (i = 0; i < super.nslots; i++) {
		super.slot[i].gave_up = (takes & 1u << i) == 0;
		super.slot[i].state = super.slot[i].gave_up ? SLOT_DEAD :
		    SLOT_SERVING;
	}
	/* of one that nobody takes over from, only its end could be told */
	if (wish == ROLE_DRAIN && (takes & ~(1u << slot)) == 0)
		return;
	if (wish == ROLE_DRAIN)
		(void)mover_drain(&super, &drain, text, sizeof(text));
	else if (wish == ROLE_EMPTY)
		(void)mover_evacuate(&super, slot);
	else if (wish == ROLE_ADD)
		super.mover.fresh[slot] = 1;
	else
		(void)mover_rebalance(&super, text, sizeof(text));
	if (wish != ROLE_DRAIN)
		mover_turn(&super);
}
