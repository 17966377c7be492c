/*
 * move_priv: what move.c and bucket.c use of each other.
 */
#ifndef NET_MOVE_PRIV_H
#define NET_MOVE_PRIV_H

#include "net_priv.h"

static inline uint64_t
move_word(const struct net *n, uint32_t k)
{
	/* acquire pairs with move_set(): what the owner did before is seen */
	return atomic_load_explicit(&n->env.buckets->word[k],
	    memory_order_acquire);
}

static inline void
move_set(struct net *n, uint32_t k, uint64_t w)
{
	/* release: the records are as they are to be seen before the word */
	atomic_store_explicit(&n->env.buckets->word[k], w,
	    memory_order_release);
	/* what is changed after a withdrawal is not seen before it: pairs with
	 * the receiver's fence before it looks at the word again */
	atomic_thread_fence(memory_order_release);
}

/* Tell a slot to look. */
void	move_nudge(struct net *n, uint32_t slot);
/* A bucket is in this state since its word was this. */
void	move_enter(struct net *n, uint32_t k, enum move_state s,
	    uint64_t word);
/* The answer to this offer of ours. */
enum bucket_reply move_answer(const struct net *n, uint32_t k, uint64_t w);
/* Whether an offer stands that is for us and that we have not refused. */
bool	move_offered(const struct net *n, uint32_t k, uint64_t w);

#endif
