/*
 * replay: inside of the benchmark: what main.c (arguments, turns), host.c (the
 * process around the stack) and client.c share.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../../secondary/svc/svc.h"

#define BURST		32u
#define CONNS_MAX	8192u
#define DEPTH_MAX	24u
#define STACK_LEN	64u	/* of request and answer without the service */

/* A client's end of a connection. */
struct peer {
	uint32_t snd, rcv;	/* next sequence numbers */
	uint32_t tsecr;
	uint32_t want;		/* answers of the batch to come */
	uint64_t got;		/* bytes of answers of the batch */
	uint16_t port;
	uint8_t open;		/* SYN was answered */
	uint8_t fin;		/* the server's FIN has come */
	uint8_t closing;	/* ours went out */
	uint8_t queued;		/* has something to send */
	uint8_t flags;		/* of the frame to send */
};

struct bench {
	/* what is asked */
	const char *root, *image, *path;
	uint32_t conns, depth;
	uint64_t requests;
	bool one;
	bool stack;		/* no service but fixed answers */
	bool quiet;		/* no more requests */
	/* the stack under test */
	uint8_t *mem;		/* base of refs: frames, arena, files */
	struct net *net;
	struct pktpool pool;
	_Atomic uint64_t counters[CNT_MAX];
	_Atomic uint64_t svc_counters[SVC_COUNTERS];
	struct svc svc;
	struct fcache *files;
	struct net_conf conf;
	uint64_t now;
	uint32_t sent;		/* mark of the last frame that left */
	/* the client */
	struct peer peer[CONNS_MAX];
	uint16_t by_port[65536]; /* index into peer[] */
	uint32_t queue[CONNS_MAX], qhead, qlen;
	char batch[2048];
	uint32_t batchlen, reqlen;
	uint64_t anslen;	/* bytes of an answer; 0: not yet known */
	uint64_t done, closed;
	uint32_t next_port;
	struct pkt *in[BURST];
	uint32_t nin;
};

extern struct bench b;

/* ---- host.c ---- */

/* Only write the image of the document root to a file. */
void	host_image(void);
/* Make the stack, its memory and its service. */
void	host_start(void);

/* ---- client.c ---- */

/* Prepare what is asked, and begin to connect. */
void	client_start(void);
/* Fill in[] with what the connections have to send. */
void	client_send(void);
/* Read and count what the stack sends. Takes no frames. */
void	client_input(const struct pkt *p);

extern const uint8_t server_mac[6], server_ip[4];

#endif
