/*
 * Chores: what has a deadline and no record to keep it in, since it need not
 * survive the process. One time covers all; a chore that runs looks through
 * its own few things and says when it wants to be called next.
 */
#include "base.h"

void
chore_at(struct net *n, uint64_t us)
{
	if (us < n->chore)
		n->chore = us;
}

void
chores(struct net *n)
{
	n->chore = UINT64_MAX;
	addr6_chore(n);
	frag_chore(n);
	/* what could not be done now, for want of a frame, is tried in a
	 * while, not at once: the caller waits for this time */
	if (n->chore <= n->now)
		n->chore = n->now + CHORE_AGAIN_US;
}
