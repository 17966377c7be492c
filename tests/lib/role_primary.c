/* role_primary: the primary of move_roles.h. */
#include "move_roles.h"

#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "../../primary/primary.h"
#include "../../primary/steer.h"

static struct primary prim;
static struct conf conf;
static _Atomic uint8_t *table;	/* the NIC's */

/* ---- what steer.c asks of DPDK and of the rest of the primary ---- */

/* A NIC takes its table in pieces. */
int
rte_eth_dev_rss_reta_update(uint16_t port,
    struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	uint32_t k;

	(void)port;
	for (k = 0; k < size; k++)
		if (reta[k / RTE_ETH_RETA_GROUP_SIZE].mask >>
		    k % RTE_ETH_RETA_GROUP_SIZE & 1)
			atomic_store(&table[k],
			    reta[k / RTE_ETH_RETA_GROUP_SIZE].reta[
			    k % RTE_ETH_RETA_GROUP_SIZE]);
	return 0;
}

const char *
rte_strerror(int err)
{
	return strerror(err);
}

int
tap_fd(const char *dev)
{
	(void)dev;
	return -1;
}

int
steer_bpf_open(struct steer_map **mp)
{
	(void)mp;
	return -1;
}

void
steer_bpf_close(struct steer_map *m)
{
	(void)m;
}

/* ---- the primary ---- */

void
role_primary_start(struct board *b, _Atomic uint8_t *reta)
{
	uint32_t i;

	table = reta;
	b->port[0].lane = LANE_DIRECT;
	b->port[0].type = PORT_PCI;
	memset(&prim, 0, sizeof(prim));
	prim.board = b;
	prim.conf = &conf;
	prim.port[0].is_started = 1;
	prim.port[0].reta_size = BOARD_BUCKETS;
	for (i = 0; i < BOARD_SLOTS; i++)
		prim.slot[i].bell = -1;
	steer_stop(&prim);
	steer_start(&prim);
}

void
role_primary_steer(void)
{
	steer_update(&prim);
}
