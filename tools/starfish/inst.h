/*
 * inst: an instance as a reader sees it: its board, read-only, and who lives.
 */
#ifndef STARFISH_INST_H
#define STARFISH_INST_H

#include <stdint.h>

#include "../../common/arena.h"
#include "../../common/board.h"

#define INST_REASONS	8	/* most reasons for not being well */

enum inst_health { INST_WELL, INST_DEGRADED, INST_DOWN };

extern const char *const inst_health_names[];

/* A slot, from one look at the board. */
struct inst_slot {
	uint32_t number;
	const char *group, *service; /* on the board */
	enum slot_state state;	/* DEAD also if nobody told the board */
	uint32_t phase;		/* enum worker_phase */
	uint32_t cpu, pid, epoch, restarts;
	uint64_t connections;
	uint64_t beat_age_ms;	/* 0: no process */
	uint8_t alive;
	uint8_t finished;	/* ended in order, with status 0; or spare */
	uint8_t spare;		/* never started: waits for `starfish add` */
	char last_death[64];	/* "": none */
};

/* A standby, from the same look. */
struct inst_standby {
	uint32_t number, pid;
	uint8_t ready;		/* it waits; else it still attaches */
	char build[BOARD_NAME];	/* of its program */
};

struct inst {
	char name[BOARD_NAME];
	const struct board *board; /* NULL: none */
	enum inst_health health;
	char reason[INST_REASONS][128]; /* why it is not well */
	uint32_t nreasons;
	uint8_t primary_alive, super_alive, starting, stopping;
	uint32_t nslots;
	struct inst_slot slot[BOARD_SLOTS];
	uint32_t nstandbys;
	struct inst_standby standby[BOARD_STANDBYS];
};

/*
 * Choose an instance: the named one, or the only one there is. 0; -ENOENT
 * none runs, -EEXIST several do, with a line in err that names them.
 */
int	inst_choose(char name[BOARD_NAME], const char *wanted, char *err,
	    size_t errlen);

/*
 * Map the board of an instance. 0; -ENOENT there is none; -ESTALE and others
 * with a line in err.
 */
int	inst_open(struct inst *in, const char *name, char *err, size_t errlen);

void	inst_close(struct inst *in);

/*
 * Look at everything once more: fills slots and health. Takes up to 150 ms,
 * until the primary's heartbeat was seen to move.
 */
void	inst_look(struct inst *in);

/* An arena that is mapped for reading. */
struct inst_map {
	const struct arena *arena;
	size_t len;		/* bytes of the arena */
	void *map;		/* whole pages around it */
	size_t map_len;
};

/* Map the arena of a slot: 0 or -errno; inst_unmap() ends it. */
int	inst_map(const struct inst *in, uint32_t slot, struct inst_map *m);
void	inst_unmap(struct inst_map *m);

/* A counter of a slot. */
uint64_t inst_counter(const struct inst *in, uint32_t slot, enum counter c);

/* What a service counts; NULL: this build does not know it. */
const struct svc_desc *inst_service(const char *name);

/* Make a text that another process wrote safe to show: printable ASCII. */
void	inst_clean(char *text);

/* "10.77.0.2" or "fd00::1". */
void	inst_addr(const uint8_t addr[16], uint8_t family, char *buf,
	    size_t len);

#endif
