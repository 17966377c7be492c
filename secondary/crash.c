#include "crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK	65536u
#define SKIP	4u		/* frames of the handler itself, at most */

/* The program's own code, by the linker. */
extern const char __executable_start[], etext[];

static struct slot_worker *volatile words;
static char stack[STACK];

static uintptr_t
where(const ucontext_t *uc)
{
#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)uc->uc_mcontext.pc;
#else
	return 0;
#endif
}

/* Offsets in the program: the same at each load. */
static uint64_t
code(const void *pc)
{
	uintptr_t at = (uintptr_t)pc, lo = (uintptr_t)__executable_start;

	return at >= lo && at < (uintptr_t)etext ? at - lo :
	    at | CRASH_ELSEWHERE;
}

static void
note(struct board_crash *c, int sig, const siginfo_t *si,
    const ucontext_t *uc)
{
	void *pc[CRASH_PCS + SKIP];
	uintptr_t at = where(uc);
	int i, first = 0, n;

	atomic_store(&c->pid, 0);
	c->signal = (uint32_t)sig;
	c->addr = (uintptr_t)si->si_addr;
	c->npcs = 1;
	c->pc[0] = code((const void *)at);
	/* what follows walks a stack that may be broken: what is known
	 * already is told first */
	atomic_store(&c->pid, (uint32_t)getpid());
	n = backtrace(pc, CRASH_PCS + SKIP);
	while (first < n && (uintptr_t)pc[first] != at)
		first++;
	for (i = first + 1; i < n && c->npcs < CRASH_PCS; i++)
		c->pc[c->npcs++] = code(pc[i]);
}

static void
on_crash(int sig, siginfo_t *si, void *uc)
{
	struct slot_worker *w = words;

	words = NULL;
	if (w != NULL)
		note(&w->crash, sig, si, uc);
	raise(sig);		/* its handler is the kernel's again */
}

void
crash_open(void)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE,
	    SIGILL, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = on_crash, .sa_flags =
	    SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER };
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	void *pc[2];
	uint32_t i;

	(void)backtrace(pc, 2);	/* the first call loads the unwinder */
	sigaltstack(&ss, NULL);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		sigaction(deadly[i], &sa, NULL);
}

void
crash_slot(struct slot_worker *w)
{
	words = w;
}
