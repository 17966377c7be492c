#include "hang.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
hang_look(pid_t pid, struct hang_proc *p)
{
	char path[48], text[512], *s;
	size_t n;
	FILE *f;

	/* time on a processor, in nanoseconds, is the first number */
	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p->ran_us = strtoull(text, NULL, 10) / 1000;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	s = strrchr(text, ')');
	p->state = s != NULL && s[1] == ' ' ? s[2] : '?';
	return 0;
}

int
hang_is_late(uint64_t beat_us, uint64_t now_us, uint64_t hang_us)
{
	return beat_us < now_us && now_us - beat_us >= hang_us / 2;
}

enum hang_verdict
hang_judge(struct hang *h, const struct hang_proc *p, uint64_t beat_us,
    uint64_t now_us, uint64_t hang_us)
{
	uint64_t age = beat_us < now_us ? now_us - beat_us : 0;

	if (!hang_is_late(beat_us, now_us, hang_us)) {
		h->late = 0;
		return HANG_WELL;
	}
	if (!h->late || h->beat_us != beat_us) {
		*h = (struct hang){ .late = 1, .beat_us = beat_us,
		    .ran_us = p->ran_us };
	}
	if (age < hang_us)
		return HANG_WELL;
	if (age >= hang_us * HANG_MOST)
		return HANG_HUNG;
	switch (p->state) {
	case 'T':		/* stopped */
	case 't':		/* by a debugger */
		return HANG_HUNG;
	case 'R':
		/* it wants to run: did it, or did it wait for its turn? */
		return p->ran_us - h->ran_us >= HANG_RAN_US ? HANG_HUNG :
		    HANG_WELL;
	default:
		/* asleep: it should have woken by itself long ago, if its
		 * cpu runs; when it is rung and still sleeps, it is blocked */
		if (!h->nudged) {
			h->nudged = 1;
			return HANG_NUDGE;
		}
		return age >= hang_us + hang_us / 2 ? HANG_HUNG : HANG_WELL;
	}
}
