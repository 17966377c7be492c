/*
 * report: what is said of a slot on the board beyond how it fares: how its
 * last process died, and whether everything adds up.
 */
#ifndef COMMON_REPORT_H
#define COMMON_REPORT_H

#include <stdatomic.h>
#include <stdint.h>

#define CRASH_PCS	24u	/* of a backtrace */
#define CRASH_ELSEWHERE	(1ull << 63) /* no offset in the program: an address
				   in a library */
#define HAND_BYTES	64u

/* How a worker died by a signal, by itself. Writer: the worker. */
struct board_crash {
	_Atomic uint32_t pid;	/* who; 0: nobody so far */
	uint32_t signal;
	uint64_t addr;		/* what it could not reach, of SIGSEGV */
	uint32_t npcs, pad;
	uint64_t pc[CRASH_PCS];	/* innermost first: offsets in the program */
};

/* What a dead process had in hand. Writer: primary. */
struct board_hand {
	_Atomic uint32_t pid;	/* who; 0: nobody so far */
	uint32_t id;		/* record */
	uint8_t known;		/* 1: a connection was in hands */
	uint8_t family, state;	/* enum tcp_state */
	uint8_t pad;
	uint16_t lport, rport;	/* host order */
	uint8_t laddr[16], raddr[16];
	uint32_t nbytes;	/* last bytes received */
	uint8_t bytes[HAND_BYTES];
	uint32_t pad2;
};

/* What a slot has, and where it is: total - free - held are lost. */
struct board_account {
	uint32_t total, free, held, pad;
};

/* What the worker counted when it was asked to. Writer: the worker. */
struct board_audit {
	_Atomic uint32_t seq;	/* answers super.audit; stored last */
	uint32_t took_us;
	uint64_t time_us;	/* CLOCK_REALTIME */
	struct board_account frames, chunks, records;
};

#endif
