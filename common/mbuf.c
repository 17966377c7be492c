#include "mbuf.h"

#include <assert.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ring.h>

#include "shm.h"

_Static_assert(sizeof(struct pkt) == SHM_PRIV_SIZE, "pkt is the private area");
_Static_assert(sizeof(struct rte_mbuf_ext_shared_info) <=
    sizeof(((struct pkt *)0)->frag), "shared info leaves pkt.room alone");

void
mbuf_tx_frags(struct rte_mbuf *m, struct rte_mbuf *const x[], uintptr_t base)
{
	const struct pkt *p = mbuf_pkt(m);
	struct rte_mbuf_ext_shared_info *info;
	struct rte_mbuf *last = m;
	uint32_t i;

	for (i = 0; i < p->nfrag; i++) {
		const struct pkt_frag *f = &p->frag[i];
		uintptr_t addr = base + (uintptr_t)f->off;

		info = (void *)mbuf_pkt(x[i])->frag;
		info->free_cb = NULL;
		info->fcb_opaque = NULL;
		rte_mbuf_ext_refcnt_set(info, 2);
		assert(f->len <= UINT16_MAX);	/* no frame is longer */
		rte_pktmbuf_attach_extbuf(x[i], (void *)addr, addr,
		    (uint16_t)f->len, info);
		x[i]->data_len = (uint16_t)f->len;
		x[i]->next = NULL;
		last->next = x[i];
		last = x[i];
		m->nb_segs++;
		m->pkt_len += f->len;
	}
}

void
mbuf_renew(struct rte_mbuf *m, struct rte_mempool *mp)
{
	struct pkt *p = mbuf_pkt(m);

	memset(m, 0, sizeof(*m));
	m->priv_size = SHM_PRIV_SIZE;
	m->buf_addr = (char *)(m + 1) + SHM_PRIV_SIZE;
	m->buf_iova = rte_mempool_virt2iova(m) + sizeof(*m) + SHM_PRIV_SIZE;
	m->buf_len = rte_pktmbuf_data_room_size(mp);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->pool = mp;
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	rte_mbuf_refcnt_set(m, 1);
	memset(p, 0, sizeof(*p));
	p->room = m->buf_len;
	pkt_reset(p, PKT_HEADROOM);
}

void
mbuf_pool_reset(struct rte_mempool *mp)
{
	uint32_t i;

	rte_ring_reset(mp->pool_data);
	if (mp->local_cache == NULL)
		return;
	for (i = 0; i < RTE_MAX_LCORE; i++)
		mp->local_cache[i].len = 0;
}

static void
renew_obj(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	mbuf_renew(obj, mp);
}

struct rte_mempool *
mbuf_pool_create(const char *name, uint32_t n, uint32_t room, int socket)
{
	struct rte_mempool *mp;

	if (room > UINT16_MAX) {
		rte_errno = EINVAL;
		return NULL;
	}
	mp = rte_pktmbuf_pool_create_by_ops(name, n, SHM_CACHE, SHM_PRIV_SIZE,
	    (uint16_t)room, socket, "ring_sp_sc");
	if (mp != NULL)
		rte_mempool_obj_iter(mp, renew_obj, NULL);
	return mp;
}
