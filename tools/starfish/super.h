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
#define SUPER_NICE	(-10)	/* of those who sleep until somebody dies */
#define SUPER_STOP_MS	4000	/* patience with a process that is to end */
#define SUPER_ZOMBIES	16u
#define SUPER_BURY_US	300000u	/* dead ones lie for so long */
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
	uint8_t waits_upgrade;	/* the same, of an upgrade */
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

/* A process that is attached, idle, and sits down where it is told to. */
struct standby {
	uint32_t number;
	struct child child;
	uint8_t ready;		/* it waits for an order */
	uint8_t program;	/* super.program[] */
	uint8_t killed;		/* by us: it hung */
	uint8_t dismissed;	/* told to end: that is no failure */
	struct hang hang;
	uint64_t spawned_us;	/* CLOCK_MONOTONIC */
};

enum upgrade_step {
	UPGRADE_NONE,
	UPGRADE_STANDBY,	/* a standby of the new program gets ready */
	UPGRADE_HANDING,	/* a slot hands over to it */
	UPGRADE_WATCH		/* it serves, and is to show that it lives */
};

struct upgrade {
	enum upgrade_step step;
	uint32_t slot;		/* HANDING, WATCH: which one */
	uint32_t done, total;	/* slots */
	uint64_t since_us, slot_us;
	uint64_t served_us;	/* WATCH: since when it serves */
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
	uint32_t stop_ms;	/* the end: connections may take so long; 0:
				   the workers' own limit */
	uint8_t had_workers;	/* when the end began */
	uint8_t was_dead;	/* the primary, when the end began */
	uint8_t detached;
	uint8_t adopting;	/* until adopt_complete() */
	struct notify notify;
	uint32_t nslots;
	struct slot slot[BOARD_SLOTS];
	struct mover mover;
	struct standby standby[BOARD_STANDBYS];
	/* workers' program: that of all, "": the one beside ours; and that of
	 * an upgrade, "": there is none */
	char program[2][BOARD_PATH];
	int program_fd[2];	/* their files, see child_hold() */
	int primary_fd;		/* the primary's */
	int changed;		/* options are not those of the copy: a new
				   generation is told so */
	struct upgrade upgrade;
	uint64_t standby_us;	/* no new one before this time */
	uint32_t standby_fails;	/* that ended before they were ready */
	pid_t zombie[SUPER_ZOMBIES]; /* to be buried when there is time */
	uint32_t nzombies;
	uint64_t zombie_us;	/* when the last one came */
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

/* Tell the process of a slot to finish and leave. */
void	super_stop_slot(struct super *s, struct slot *sl);

/* Begin to end the instance; asked again, without patience. */
void	super_stop(struct super *s, const char *who);

/* Ring the bell of a slot, of the primary (BOARD_NONE) or of a standby
 * (BOARD_SLOTS + its number). */
void	super_ring(const struct super *s, uint32_t slot);

/* A child's end was fetched: child_bury() it later. */
void	super_bury(struct super *s, pid_t pid);

/* All slots as before the first start: spare ones wait to be added. */
void	super_init_slots(struct super *s);

/* Change the phase. */
void	super_enter(struct super *s, enum super_phase phase);

/* Path of the log of the primary (slot BOARD_NONE) or a slot. */
void	super_log(const struct super *s, uint32_t slot, char *buf, size_t len);

/* ---- start.c ---- */

/* Start the primary. 0 or -errno. */
int	start_primary(struct super *s);
/* Look whether the primary is ready, and whether it takes too long. */
void	start_follow_primary(struct super *s);
/* Start those slots whose turn it is; one process attaches at a time. A slot
 * whose process died gets a standby at once, if one is ready. */
void	start_workers(struct super *s);
/* Whether a slot serves, or its process ended by itself. */
int	start_settled(const struct slot *sl);
/* Whether all slots do. */
int	start_complete(const struct super *s);
/* Name of a slot for people: "slot 0 (web, http)". */
void	start_slot_name(const struct super *s, uint32_t slot, char *buf,
	    size_t len);

/* Whether a process is between its start and the end of its attach. */
int	start_is_attaching(const struct super *s);

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
/* ---- standby.c ---- */

/* No standby yet. */
void	standby_init(struct super *s);
/* Follow what they say of themselves; start one that is missing. */
void	standby_turn(struct super *s);
/* Tell one to sit down in a slot that is DEAD: 0; -ENOENT none is ready. */
int	standby_take(struct super *s, struct slot *sl);
/* Take over those that another supervisor started. */
void	standby_adopt(struct super *s);
/* Look at heartbeats. Every tick. */
void	standby_beats(struct super *s);
/* One of them ended, if it did. */
void	standby_end(struct super *s, struct standby *sb);
/* Tell all to leave: sig, as to slots. */
void	standby_stop(struct super *s, int sig);
/* Priority of all threads of a process: a standby sleeps until clients wait
 * for it, a worker is like any other process. Nothing happens unless we are
 * root. */
void	standby_nice(pid_t pid, int nice);
/* Whether one of this program waits. */
int	standby_waits(const struct super *s, uint32_t program);
/* One seat at least is free, for an upgrade. */
void	standby_make_room(struct super *s);
/* Those of this program end; what others run is program 0 from here on. */
void	standby_retire(struct super *s, uint32_t program);
/* How many live; how many of them attach just now. */
uint32_t standby_alive(const struct super *s, uint32_t *attaching);

/* ---- upgrade.c ---- */

/* Begin to replace all workers by processes of a program file. 0, or -errno
 * with what is wrong in err. */
int	upgrade_begin(struct super *s, const char *file, char *err,
	    size_t len);
/* Go on with it. */
void	upgrade_turn(struct super *s);
/* A standby of the new program ended before it was ready. */
void	upgrade_standby_ended(struct super *s, const char *why);
/*
 * A process of a slot died, by itself or killed from outside. If it ran the
 * new program, the old one takes the slot back, and an upgrade that is under
 * way is given up.
 */
void	upgrade_slot_died(struct super *s, struct slot *sl, bool by_itself);

/* ---- renew.c ---- */

/* The primary is dead: tell its workers to go. 0, or -errno with err. */
int	renew_begin(struct super *s, char *err, size_t len);
/*
 * Let a configuration name the document roots that are served: by a reload
 * they may have come from other directories than it named at the start, and
 * those be gone. Whether that changed it.
 */
int	renew_roots(const struct board *b, struct conf *c);
/* Start a new generation when the last worker of a dead primary's is gone. */
void	renew_turn(struct super *s);

/* ---- adopt.c ---- */

/*
 * Take over the instance of the locked directory s->dir, whose supervisor is
 * dead: board, primary and workers. s->conf is its copy of the configuration.
 * 0: super_run() goes on with it. -errno: said why; nothing was changed.
 */
int	adopt_instance(struct super *s);
/* Hold a process by its pidfd, if it still is the one meant. 0 or -errno. */
int	adopt_hold(struct child *c, pid_t pid, uint64_t start);
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
/* Whether somebody sat down in the slot by hand; he is watched from here on,
 * and who waits for the slot in vain is ended. */
int	watch_accept(struct super *s, struct slot *sl);

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
/* Put all options on the board, for workers that run and that will. */
void	reload_publish(struct super *s);

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
/* Tell those who wait for an upgrade how it ended: a whole answer line. */
void	server_upgraded(struct super *s, const char *last);
/* Tell them that nothing is left, and close all. */
void	server_close(struct super *s, const char *last);

#endif
