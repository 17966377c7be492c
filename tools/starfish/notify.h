/*
 * notify: what systemd is told, see sd_notify(3): one datagram of lines to
 * the socket that NOTIFY_SOCKET names. Without it nothing is sent.
 */
#ifndef STARFISH_NOTIFY_H
#define STARFISH_NOTIFY_H

#include <stdint.h>
#include <sys/un.h>

struct notify {
	struct sockaddr_un to;
	uint32_t to_len;	/* 0: nobody listens */
	uint64_t watchdog_us;	/* interval of signs of life; 0: none wanted */
	uint64_t barked_us;	/* CLOCK_MONOTONIC of the last one */
	uint8_t ready;		/* READY=1 was sent */
	uint8_t stopping;	/* STOPPING=1 was sent */
	char status[128];	/* the last STATUS= */
};

/*
 * Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment, and
 * take them out: those that are started later are not to use them. What is
 * there but not as sd_notify(3) has it, is taken for absent.
 */
void	notify_init(struct notify *n);

/* Say once that all serve, or that the end began. */
void	notify_ready(struct notify *n);
void	notify_stopping(struct notify *n);

/* Say how it fares, if that is news. */
void	notify_status(struct notify *n, const char *text);

/* A sign of life, if it is time: twice in the interval asked for. */
void	notify_alive(struct notify *n, uint64_t now_us);

#endif
