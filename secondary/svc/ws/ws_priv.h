/*
 * ws_priv: inside of the WebSocket handler. Files: frames.c frames in and
 * the plain echo, send.c what goes out, job.c compressed messages, cast.c
 * broadcast, share.c broadcast between slots, push.c push and time, ws.c the
 * service of its own.
 */
#ifndef SVC_WS_PRIV_H
#define SVC_WS_PRIV_H

#include "../../proto/idset.h"
#include "../../proto/ws_frame.h"
#include "../../proto/ws_utf8.h"
#include "../../proto/ws_zip.h"
#include "ws_conn.h"

#define WS_STEPS	64u	/* most steps of one event */
#define WS_PIECE	4096u	/* bytes inflated and deflated at a time */
#define WS_CAST_MAX	65536u	/* largest message for others, inflated */
#define WS_PLACE_BITS	60u	/* of a place in a ring; above: the slot */
#define WS_BLOCK_STEPS	32u	/* most such pieces in one event */

enum ws_phase {
	WSP_NONE,		/* not open (any more) */
	WSP_OPEN,
	WSP_FAIL,		/* Close with st->code waits for room */
};

/* ws_state.flags */
#define WST_MSG		0x01u	/* a message is in hand */
#define WST_FRAME	0x02u	/* and a frame of it, `left` bytes to come */
#define WST_FIN		0x04u	/* which is its last */
#define WST_HELD	0x08u	/* the message stays unread, see ws_conn.h */
#define WST_WHOLE	0x10u	/* and is whole */
#define WST_CONSUMED	0x20u	/* bytes of it are gone: cannot begin again */
#define WST_BEGUN	0x40u	/* its answer's first frame is queued */
#define WST_BLOCKED	0x80u	/* waits for room in the send queue */
#define WST_PINGED	0x100u	/* silent, and was asked */
#define WST_ZIP		0x200u	/* the message in hand is compressed */
#define WST_OUT		0x400u	/* a broadcast message is half queued */

/* A message on its way through zlib. */
struct ws_job {
	uint64_t serial;	/* names it in ws_state.job; 0: free */
	uint64_t used_us;	/* when it went on last */
	bool streamed;		/* cannot begin again, see WST_CONSUMED */
	/* the compressed side: where in the unread bytes, in which frame */
	uint64_t left;
	uint32_t off, mask;
	bool started, fin;
	uint8_t tail;		/* bytes of ws_zip_tail already fed */
	bool any;		/* there was payload */
	bool ended;		/* all is inflated */
	bool flushed;		/* all is deflated */
	bool busy;		/* the block is being deflated */
	uint32_t in_at, in_len;	/* of in[] */
	uint32_t block_at, block_len;
	uint32_t stage_len;
	uint32_t skip;		/* of the answer, queued before a crash */
	uint32_t utf8;
	uint64_t size;
	uint8_t in[2048];	/* unmasked */
	uint8_t block[WS_PIECE]; /* inflated */
	uint8_t stage[WS_PIECE]; /* deflated again */
	struct ws_zip zip;
};

/* A message in the ring, payload behind it, 8-byte aligned. */
struct ws_posted {
	uint32_t len;
	uint8_t op;
	uint8_t pad[3];
};

_Static_assert(BOARD_SLOTS <= 1u << (64 - WS_PLACE_BITS), "places");

struct ws_share;		/* see share.c */

struct ws {
	struct svc *s;
	const struct ws_conf *conf;
	struct ws_state *(*find)(struct conn *c);
	uint32_t counter;
	uint64_t serial;	/* of the last job */
	/* broadcast: ring[x % WS_RING] for places x in [tail, head) */
	uint64_t head, tail;
	uint64_t first;		/* where it began: positions below are of
				   another process */
	struct ws_share *share[BOARD_SLOTS]; /* what slots post to others */
	uint64_t from[BOARD_SLOTS]; /* what is next to be read of it */
	uint64_t pass;		/* head when this pass over ids began */
	uint32_t at;		/* id this pass comes to next */
	bool walking;		/* a pass is under way */
	bool scan;		/* a predecessor's connections to be found */
	struct ws_zip push_zip;
	struct ws_job job[WS_JOBS];
	struct idset member;	/* connections that broadcast reaches */
	_Alignas(8) uint8_t ring[WS_RING];
	uint8_t text[WS_CAST_MAX + WS_PIECE]; /* a message being posted */
};

enum ws_go {
	WS_ON,			/* there may be more to do */
	WS_WAIT,		/* for bytes, room or time */
	WS_GONE,		/* the connection is not ours any more */
};

/* One event of one connection. */
struct wx {
	struct ws *w;
	struct net *n;
	struct conn *c;
	struct ws_state *st;
	uint64_t now;		/* µs */
	uint32_t done;		/* unread bytes handled, not yet consumed */
	bool retry;		/* all zlib states are in use: come again */
	bool again;		/* work is left for the next turn */
	/* the frame whose room was given */
	uint8_t *frame;
	uint32_t frame_head, frame_len;
};

static inline void
ws_count(struct wx *x, enum ws_counter c, uint64_t n)
{
	svc_count(x->w->s, x->w->counter + c, n);
}

/* ---- send.c ---- */

/* Wait until n bytes can be queued; WS_WAIT. */
enum ws_go ws_wait_room(struct wx *x, uint32_t n);

/*
 * Room for a frame with want bytes of payload, or fewer; *len is set to how
 * many. Payload goes to the returned place, then ws_frame_end(); nothing of
 * conn.h may be called in between. Up to WS_PUSH_MAX bytes are never cut.
 * NULL: wait for room.
 */
uint8_t	*ws_frame_room(struct wx *x, uint32_t want, uint32_t *len);

/* The payload is written: queue the frame with this first byte. */
void	ws_frame_end(struct wx *x, uint8_t first);

/* Nothing is queued of the frame whose room was given. */
void	ws_frame_drop(struct wx *x);

/* Queue one frame of n bytes, at most WS_CONTROL_MAX. false: wait. */
bool	ws_send(struct wx *x, uint8_t first, const void *p, uint32_t n);

/* First byte of the next fragment of the answer in hand; it is BEGUN. */
uint8_t	ws_first(struct wx *x, bool fin, bool zip);

/* Fail the connection (RFC 6455, 7.1.7) with this code. */
enum ws_go ws_fail(struct wx *x, int code);

/* Send Close (code WS_NO_CODE: without one) and end. */
enum ws_go ws_bye(struct wx *x, int code);

/* The connection is over for us: forget it. reset: by RST. */
enum ws_go ws_end(struct wx *x, bool reset);

/* ---- frames.c ---- */

/*
 * Parse the header at `at` among the unread bytes. Its size; 0: not whole;
 * negative: a close code.
 */
int	ws_head_at(struct wx *x, uint32_t at, struct ws_head *h);

/* Whether a data frame may come here. 0, or a negative close code. */
int	ws_data_ok(struct wx *x, const struct ws_head *h, bool first);

/*
 * Answer a control frame whose header h stands at `at`. WS_ON: it is done;
 * WS_WAIT: it is not whole, or waits for room.
 */
enum ws_go ws_control(struct wx *x, uint32_t at, const struct ws_head *h);

/* The message in hand is over. */
void	ws_message_end(struct wx *x);

/* ---- job.c ---- */

/* Go on with a message that stays unread or is compressed. */
enum ws_go ws_held(struct wx *x);

/* The connection ends, or its message does: its zlib state is free. */
void	ws_job_free(struct wx *x);

/* ---- cast.c ---- */

/* Post a message of n bytes at w->text to the clients of this slot. */
void	ws_post(struct ws *w, uint8_t op, uint32_t n);

/* Queue messages for this connection, as far as there is room. */
enum ws_go ws_deliver(struct wx *x);

void	ws_join(struct ws *w, uint32_t id);
void	ws_leave(struct ws *w, uint32_t id);

/* ---- share.c ---- */

/* Find the rings of all slots of the group. */
void	ws_share_open(struct ws *w);

/* Post the message at w->text to the other slots. */
void	ws_share_post(struct ws *w, uint8_t op, uint32_t n);

/* Post what others have for us to our clients; uses w->text. Whether more is
 * there. */
bool	ws_share_import(struct ws *w);

/* ---- push.c ---- */

/* Send what is due. */
enum ws_go ws_push(struct wx *x);

/* Time has passed: is anything too late? */
enum ws_go ws_late(struct wx *x);

/* Set the timer to what is due next. */
void	ws_arm(struct wx *x);

#endif
