/*
 * ctl: how an instance's supervisor is spoken to, and how it starts others.
 *
 * The supervisor (`starfish up`) listens on a Unix stream socket, mode 0600,
 * "ctl" in the instance's runtime directory. It answers processes of its own
 * user and of root only (SO_PEERCRED).
 *
 * A request is one line of at most CTL_LINE bytes with its newline: words of
 * printable ASCII, single blanks between them. The answer is any number of
 * progress lines, each "| TEXT", then one last line, "ok TEXT" or "error
 * TEXT". Then the next request may come. What is not such a line (binary,
 * too long, empty) gets an error and the connection is closed; a well-formed
 * request that is not known gets an error and the connection stays.
 *
 *	hello		ok VERSION pid PID
 *	down [MS]	progress of the end; ok once nothing is left. MS:
 *			connections may take so long to end; 0: as usual
 *	restart SLOT	a slot that stays DEAD is started again
 *	reload [FILE]	what can change while it runs, does; progress names
 *			the rest. FILE is absolute; left out: that of the start
 *	add NAME K CPU	K more workers of an entry or service; CPU: -, or one
 *	drain SLOT MS	its connections go to others, then its worker ends; MS:
 *			patience, 0: as usual
 *	remove SLOT MS	the same; or a slot that stays DEAD is given up
 *	rebalance	equal shares of buckets
 *	fault SLOT TEXT	faults are made on purpose; TEXT as in conf.h
 *	revive SLOT	the same
 *	audit		workers count what they have; ok once they were told
 *	upgrade FILE	workers are replaced by processes of another program:
 *			progress, ok once all are
 *	renew		workers are told to go, then a new generation starts:
 *			ok once they were told
 *
 * Programs are started by the supervisor as
 *
 *	starfish-primary -c FILE --notify-fd FD
 *	starfish-worker -c FILE --slot SLOT --notify-fd FD
 *
 * FILE is the copy of the configuration in the runtime directory (see
 * conf_copy()); FD an inherited eventfd, non-blocking, to which a process
 * writes 1 whenever words of its own on the board changed that the supervisor
 * waits for (state, phase, fenced_pid, refilled_pid). It may be left out:
 * then the supervisor's timer sees the change. A process ends in order at
 * SIGTERM; a worker also when its slot's super.stop is 1. Exit status 0 means
 * that it ended in order; a service that is done ends with its own status.
 */
#ifndef COMMON_CTL_H
#define COMMON_CTL_H

#include <stddef.h>
#include <stdint.h>

#include "board.h"

#define CTL_SOCKET	"ctl"	/* in the runtime directory */
#define CTL_CONF	"conf"	/* copy of the configuration, same place */
#define CTL_LINE	256u	/* most bytes of a request with its newline */
#define CTL_WORDS	4u	/* most words of a request */
#define CTL_CPU_MAX	1023u
#define CTL_MS_MAX	86400000u /* a day */

enum ctl_verb {
	CTL_HELLO,
	CTL_DOWN,
	CTL_RESTART,
	CTL_RELOAD,
	CTL_ADD,
	CTL_DRAIN,
	CTL_REMOVE,
	CTL_REBALANCE,
	CTL_FAULT,
	CTL_REVIVE,
	CTL_AUDIT,
	CTL_UPGRADE,
	CTL_RENEW,
	CTL_VERBS
};

struct ctl_request {
	enum ctl_verb verb;
	uint32_t slot;		/* of one slot: its number */
	uint32_t count;		/* add */
	uint32_t ms;		/* drain, remove, down */
	int32_t cpu;		/* add; -1: none is named */
	char name[BOARD_NAME];	/* add: of a worker entry or service */
	char file[CTL_LINE];	/* reload: path, or empty; upgrade: program */
	char text[CTL_LINE];	/* fault */
};

/*
 * Take one request from the first len bytes of buf. Returns the bytes
 * consumed, its newline included; 0: the line is not complete yet; -EMSGSIZE
 * longer than CTL_LINE; -EBADMSG not a line of words; -ENOENT a verb that
 * does not exist; -EINVAL its argument is missing or wrong. After -ENOENT and
 * -EINVAL *used is what to skip, so the connection can go on.
 */
int	ctl_parse(const char *buf, size_t len, struct ctl_request *r,
	    size_t *used);

#endif
