/*
 * super: the supervisor. One thread, one loop: signals, pidfds, the children's
 * eventfd, a timer and the control socket. It decides; what it decides is in
 * slot.c (states), start.c (who is started when) and watch.c (who is well).
 */
#ifndef STARFISH_SUPER_H
#define STARFISH_SUPER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../common/board.h"
#include "../../common/ctl.h"
#include "../../config/conf.h"
#include "child.h"
#include "notify.h"
#include "rundir.h"
#include "slot.h"

#define SUPER_TICK_MS	100	/* heartbeat, and a look at all others' */
#define SUPER_STOP_MS	4000	/* patience with a process that is to end */
#define CTL_CLIENTS	8	/* most connections to the control socket */

enum super_phase {
	SUPER_PRIMARY,		/* the primary starts */
	SUPER_WORKERS,		/* workers start */
	SUPER_SERVING,
	SUPER_STOP_WORKERS,
	SUPER_STOP_PRIMARY,
	SUPER_DONE		/* no process is left */
};

/* A connection to the control socket. */
struct client {
	int fd;			/* -1: free */
	uint8_t waits_down;	/* gets progress, and ok at the end */
	uint8_t waits_reload;	/* the same, of a reload */
	size_t len;
	uint64_t since_us;	/* of the first byte of the line */
	char buf[CTL_LINE];
};

/* Slots that come and go, mover.c. */
struct mover {
	uint8_t leaving[BOARD_SLOTS];	/* 1: its buckets go; 2: it was told to
					   end */
	uint8_t fresh[BOARD_SLOTS];	/* gets its share once it serves */
	int32_t cpu[BOARD_SLOTS];	/* asked for; -1: as configured */
	uint64_t until_us[BOARD_SLOTS];	/* leaving: patience */
};

struct super {
	struct conf conf;
	struct rundir dir;
	enum super_phase phase;
	uint64_t phase_us;	/* CLOCK_MONOTONIC: since when */
	uint64_t now_us;	/* CLOCK_MONOTONIC of this turn */
	uint64_t started_us;
	uint64_t checked_us;	/* last look at heartbeats */
	uint64_t trust_us;	/* heartbeats count from here on */
	struct board *board;	/* NULL: the primary has not made it yet */
	struct child primary;
	uint32_t primary_beat;	/* its heartbeat when it last moved */
	uint64_t primary_beat_us;
	uint8_t primary_hung;
	uint8_t primary_dead;
	uint8_t failed;		/* the start failed: exit status 1 */
	uint8_t hurry;		/* asked twice to end: no more patience */
	uint8_t had_workers;	/* when the end began */
	uint8_t was_dead;	/* the primary, when the end began */
	uint8_t detached;
	uint8_t adopting;	/* until adopt_complete() */
	struct notify notify;
	uint32_t nslots;
	struct slot slot[BOARD_SLOTS];
	struct mover mover;
	int notify_fd, signal_fd, timer_fd;
	int pages_fd;		/* lock on hugepages until they are in use */
	int ready_fd;		/* to tell that all serve; -1 */
	int ctl_fd;
	struct client client[CTL_CLIENTS];
};

/* Block the signals that super_run() waits for: from here on they are kept
 * until it runs, and end nothing half-way. */
void	super_block_signals(void);

/*
 * Run the instance until it is told to end. The directory is locked and has
 * the configuration; nothing runs yet, or adopt_instance() took it over.
 * super_block_signals() was called. Returns the exit status. In phase
 * SUPER_DONE no process is left, the directory still is; in any other it
 * could not begin, and nothing was started or ended.
 */
int	super_run(struct super *s);

/* A line of progress: to standard output, to those who asked for the end, and
 * to the board's events. */
void	super_say(struct super *s, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* The same with the time that the step took. */
void	super_step(struct super *s, uint64_t since_us, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* The start cannot go on: say why, end what runs. */
void	super_fail(struct super *s, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* Begin to end the instance; asked again, without patience. */
void	super_stop(struct super *s, const char *who);

/* Ring the bell of a slot, or of the primary (BOARD_NONE). */
void	super_ring(const struct super *s, uint32_t slot);

/* Change the phase. */
void	super_enter(struct super *s, enum super_phase phase);

/* Path of the log of the primary (slot BOARD_NONE) or a slot. */
void	super_log(const struct super *s, uint32_t slot, char *buf, size_t len);

/* ---- start.c ---- */

/* Start the primary. 0 or -errno. */
int	start_primary(struct super *s);
/* Look whether the primary is ready, and whether it takes too long. */
void	start_follow_primary(struct super *s);
/* Start those slots whose turn it is; one process attaches at a time. */
void	start_workers(struct super *s);
/* Whether a slot serves, or its process ended by itself. */
int	start_settled(const struct slot *sl);
/* Whether all slots do. */
int	start_complete(const struct super *s);
/* Name of a slot for people: "slot 0 (web, http)". */
void	start_slot_name(const struct super *s, uint32_t slot, char *buf,
	    size_t len);

/* ---- program.c ---- */

/* Whether a worker entry runs a program of its own, and starting it in a
 * slot. 0 or -errno. */
bool	program_is(const struct conf_worker *w);
int	program_spawn(struct super *s, struct slot *sl,
	    const struct conf_worker *w, const char *log);

/* ---- fault.c ---- */

/* Change a slot's faults by a text (conf_fault_set()). 0, or -1; what was
 * done, or what is wrong, in text. */
int	fault_set(struct super *s, uint32_t slot, const char *change,
	    char *text, size_t len);

/* ---- adopt.c ---- */

/*
 * Take over the instance of the locked directory s->dir, whose supervisor is
 * dead: board, primary and workers. s->conf is its copy of the configuration.
 * 0: super_run() goes on with it. -errno: said why; nothing was changed.
 */
int	adopt_instance(struct super *s);
/* Whether what died unseen is replaced, as far as that can be. */
int	adopt_complete(const struct super *s);

/* ---- watch.c ---- */

/* Follow what the processes say of themselves on the board. */
void	watch_slots(struct super *s);
/* Look at heartbeats; kill what hangs. Every tick. */
void	watch_beats(struct super *s);
/* The process of a slot, or the primary, ended. */
void	watch_slot_end(struct super *s, struct slot *sl);
void	watch_primary_end(struct super *s);

/* ---- accesslog.c ---- */

/* Keep the writer of access logs alive, if any worker entry has one. */
void	accesslog_tick(struct super *s);
/* Options may have changed; files are opened again. */
void	accesslog_reload(struct super *s);
/* Write what there still is. Once all workers ended. */
void	accesslog_stop(struct super *s);

/* ---- reload.c ---- */

/*
 * Take up a changed configuration (NULL: the file of the start) and the
 * document roots. 0: it goes on in reload_turn(), which tells the outcome;
 * -errno with a reason in err, and nothing was changed.
 */
int	reload_begin(struct super *s, const char *file, char *err,
	    size_t errlen);
void	reload_turn(struct super *s);
/* Put options that were changed since the start into its configuration. */
void	reload_overlay(const struct board *b, struct conf *c);

/* ---- mover.c ---- */

/*
 * Requests. 0, or -1 if it cannot be; text says what is done, or why not.
 * They take effect over some turns.
 */
int	mover_add(struct super *s, const struct ctl_request *r, char *text,
	    size_t len);
int	mover_drain(struct super *s, const struct ctl_request *r, char *text,
	    size_t len);
int	mover_rebalance(struct super *s, char *text, size_t len);
/* A slot stays DEAD: its buckets go to its neighbours, through the primary.
 * Returns how many neighbours there are. */
uint32_t mover_evacuate(struct super *s, uint32_t slot);
/* Go on with what was asked for. */
void	mover_turn(struct super *s);
/* A process ended in order. */
void	mover_left(struct super *s, struct slot *sl, pid_t pid);
/* Tell the process of a slot to end. */
void	mover_stop(struct super *s, struct slot *sl);

/* ---- server.c ---- */

/* Make the control socket. 0 or -errno. */
int	server_open(struct super *s);
/* Somebody connects. */
void	server_accept(struct super *s);
/* A connection is readable. */
void	server_read(struct super *s, struct client *c);
/* Close connections that let us wait. Every tick. */
void	server_tick(struct super *s);
/* Send one progress line to those who wait for the end. */
void	server_progress(struct super *s, const char *text);
/* The last line for those who wait for a reload. */
void	server_reloaded(struct super *s, const char *line);
/* Tell them that nothing is left, and close all. */
void	server_close(struct super *s, const char *last);

#endif
