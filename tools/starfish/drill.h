/*
 * drill: a lab instance is hurt again and again while clients use it, and what
 * they saw is counted.
 *
 *	drill.c		the command line and the order of events
 *	drill_lab.c	the instance: files, configuration, up, down, verbs
 *	drill_load.c	clients on the kernel's sockets, in a process of
 *			their own
 *	drill_http.c	what they say, and whether the answer is right
 *	drill_ws.c	the same for WebSocket
 *	drill_kv.c	and for values under keys
 *	drill_hurt.c	one event: do it, wait until it is over
 *	drill_table.c	the result
 *
 * The process with the clients and the drill share one struct drill_load.
 */
#ifndef STARFISH_DRILL_H
#define STARFISH_DRILL_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "inst.h"

#define DRILL_OURS	"10.76.0.2"	/* address of the instance's tap */
#define DRILL_HOST	"10.76.0.1"	/* the kernel's end of it */
#define DRILL_FILES	6u	/* of the document root, see drill_size[] */
#define DRILL_CONNS	4096u		/* most connections of the clients */
#define DRILL_ACTIVE	200u		/* fewest of a victim at a kill */
#define DRILL_EVENTS	4096u		/* most events of one drill */

/* What is done to the instance. */
enum drill_kind {
	DRILL_KILL,		/* SIGKILL of a worker */
	DRILL_HANG,		/* SIGSTOP of a worker */
	DRILL_ADD,		/* a worker more, then it is drained again */
	DRILL_UPGRADE,		/* all workers by the same program, anew */
	DRILL_SUPER,		/* SIGKILL of the supervisor, up --adopt */
	DRILL_KINDS
};

extern const char *const drill_kind_names[DRILL_KINDS];

/* Why a client's connection counts as lost. */
enum drill_loss {
	LOSS_RESET,		/* ECONNRESET, or another error */
	LOSS_TIMEOUT,		/* silent for DRILL_TIMEOUT_US */
	LOSS_SHORT,		/* closed before the answer was whole */
	LOSS_WRONG,		/* a byte or a field was wrong */
	LOSS_REFUSED,		/* could not be opened */
	LOSSES
};

extern const char *const drill_loss_names[LOSSES];

#define DRILL_TIMEOUT_US 10000000u

/* Shared by the drill and its clients. */
struct drill_load {
	/* writer: the drill */
	_Atomic uint32_t stop;
	_Atomic uint64_t mark_us; /* begin of the window in which silence is
				     watched; 0: none */
	/* writer: the clients */
	_Atomic uint32_t open;	/* connections */
	_Atomic uint32_t ready;	/* all were opened once */
	_Atomic uint64_t longest_us; /* longest silence of the window on a
				     connection that waits for bytes */
	_Atomic uint64_t seen_us; /* mark_us that the clients have taken */
	_Atomic uint64_t requests, bytes; /* right ones */
	_Atomic uint64_t lost[LOSSES];
};

struct drill_opts {
	uint32_t count[DRILL_KINDS];
	uint32_t conns;		/* of the clients on the kernel */
	uint32_t workers;	/* of the http group */
	uint64_t seed;
	uint8_t json, keep;
};

/* What came of it. */
struct drill_result {
	uint32_t done[DRILL_KINDS];
	uint32_t failed;	/* events after which not all was well */
	uint32_t hands;		/* kills that found a record in hand */
	uint64_t lost[LOSSES];	/* kernel clients */
	uint64_t wire_lost, wire_requests; /* client over the wire */
	uint64_t lost_by[DRILL_KINDS]; /* all of them, by event */
	uint64_t buffers_lost;
	uint64_t bytes, requests;
	uint64_t silence_us[DRILL_KINDS][DRILL_EVENTS];
	uint32_t least_active;	/* of all kills */
	uint64_t seconds;
};

struct drill {
	struct drill_opts o;
	struct drill_result r;
	struct drill_load *load;
	pid_t load_pid;
	uint64_t rng;
	char name[BOARD_NAME];	/* of the instance */
	char dir[128];		/* its files */
	struct inst in;
};

/* ---- drill_lab.c ---- */

/* Make files and configuration and start the instance. 0, or -errno with a
 * line on stderr. */
int	lab_up(struct drill *d);
/* End it and remove its files. 0 or -errno. */
int	lab_down(struct drill *d);
/* Show what the instance says of itself, and the end of the drill's log. */
void	lab_explain(struct drill *d);
/* Run this program with other words (ends with NULL), its output into the
 * drill's log. Its exit status, or -errno. */
int	lab_verb(struct drill *d, const char *const words[]);

/* ---- drill_load.c ---- */

/* Start the clients. 0 or -errno. */
int	load_start(struct drill *d);
/* End them. 0, or -EIO if they ended badly. */
int	load_stop(struct drill *d);

/* ---- drill_http.c ---- */

extern const uint32_t drill_size[DRILL_FILES];

/* Byte i of file f; the same everywhere. */
uint8_t	drill_byte(uint32_t f, uint64_t i);

enum client_kind { CLIENT_GET, CLIENT_POST, CLIENT_IDLE, CLIENT_WS,
    CLIENT_KV };

/* One connection of the clients. */
struct client_conn {
	int fd;			/* -1: none */
	uint8_t kind;		/* enum client_kind */
	uint8_t wait;		/* a request is under way */
	uint8_t connecting;
	uint8_t body;		/* the head was read */
	uint8_t upload;		/* a body goes up */
	uint8_t is_ws;		/* WebSocket: the handshake is done */
	uint8_t asks_back;	/* kv: the value that was put is asked for */
	uint32_t number;	/* of the connection: its key */
	uint8_t mask[4];	/* of the bytes that go up */
	uint32_t file;		/* what was asked for */
	uint32_t got, sent, want; /* bytes of bodies */
	uint32_t frame;		/* WebSocket: bytes to come of its payload */
	uint32_t headlen, reqlen, reqsent;
	uint64_t last_us;	/* of progress, or of the request */
	uint64_t next_us;	/* next request */
	char head[1024], req[256];
};

/* Write the next request into c->req. */
void	http_ask(struct client_conn *c, uint32_t file);
/* Send what can be sent. 0 or -errno. */
int	http_send(struct client_conn *c);
/* Take n bytes of an answer: 1 it is whole, 0 not yet, -EBADMSG wrong. */
int	http_take(struct client_conn *c, const uint8_t *p, size_t n);
/* Begin an answer: nothing was sent or taken; len bytes of req are to go. */
void	http_begin(struct client_conn *c, uint32_t file, uint32_t len);
/*
 * Bytes of the answer's head, up to and with an empty line, into c->head. How
 * many were taken, c->body says whether it is whole; -EBADMSG too long.
 */
ssize_t	http_head(struct client_conn *c, const uint8_t *p, size_t n);
/* n bytes of the body: 0, or -EBADMSG wrong or too many. */
int	http_body(struct client_conn *c, const uint8_t *p, size_t n);

/* ---- drill_ws.c ---- */

/* As http_ask() and http_take(): first the handshake, then one message after
 * the other, which must come back. */
void	ws_ask(struct client_conn *c, uint32_t file);
int	ws_take(struct client_conn *c, const uint8_t *p, size_t n);

/* ---- drill_kv.c ---- */

/* As http_ask() and http_take(): a value is put, then asked for. */
void	kv_ask(struct client_conn *c, uint32_t file);
int	kv_take(struct client_conn *c, const uint8_t *p, size_t n);

/* ---- drill_hurt.c ---- */

/* One event. 0, or -errno with a line on stderr: the instance did not come
 * back, the drill ends. */
int	hurt(struct drill *d, enum drill_kind kind);
/* Wait until all slots serve. 0 or -ETIMEDOUT. */
int	hurt_wait_well(struct drill *d, uint32_t seconds);
/* What the client over the wire has counted, by the counter's name. */
uint64_t hurt_wire(struct drill *d, const char *counter);
/* Buffers, chunks and records of all slots that nothing accounts for. Call
 * it when no client is left. */
uint64_t hurt_lost(struct drill *d);
/* A random number below n. */
uint64_t hurt_random(struct drill *d, uint64_t n);

/* ---- drill_table.c ---- */

void	table_text(const struct drill *d);
void	table_json(const struct drill *d);
/* Whether the drill was passed. */
int	table_passed(const struct drill *d);

#endif
