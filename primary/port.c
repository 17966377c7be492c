#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include <rte_bus_vdev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "primary.h"

#include "../common/log.h"
#include "../common/mbuf.h"

#define KEY_MAX		64	/* bytes of any driver's RSS key */
#define FRAME_ROOM	18	/* a frame's bytes around its IP packet */
#define TAP_DESC	16	/* the driver fills one at a time */

#define RX_CSUM		(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | \
			RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define RX_WANTED	(RX_CSUM | RTE_ETH_RX_OFFLOAD_RSS_HASH)
#define TX_WANTED	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | \
			RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
			RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
			RTE_ETH_TX_OFFLOAD_TCP_TSO | \
			RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
/* only what is hashed over the whole tuple: other frames carry no hash */
#define RSS_WANTED	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | \
			RTE_ETH_RSS_NONFRAG_IPV4_UDP | \
			RTE_ETH_RSS_NONFRAG_IPV6_TCP | \
			RTE_ETH_RSS_NONFRAG_IPV6_UDP)

/*
 * Which drivers' queues a secondary can poll, and what a dead worker's queue
 * needs; the first row whose name begins the driver's counts. A driver that
 * is not listed is dispatched: that always works.
 */
static const struct driver drivers[] = {
	{ "net_tap", LANE_DIRECT, REPAIR_PORT, 1, TAP_DESC },
	{ "net_ring", LANE_DIRECT, REPAIR_NONE, 1, 0 },
	{ "net_memif", LANE_DIRECT, REPAIR_NONE, 1, 0 },
	{ "net_pcap", LANE_DIRECT, REPAIR_NONE, 1, 0 },
	{ "net_virtio_user", LANE_DISPATCH, REPAIR_QUEUE, 0, 0 },
	{ "net_virtio", LANE_DIRECT, REPAIR_NONE, 0, 0 },
	{ "net_ixgbe", LANE_DIRECT, REPAIR_QUEUE, 0, 0 },
	{ "net_i40e", LANE_DIRECT, REPAIR_QUEUE, 0, 0 },
	{ "net_ice", LANE_DIRECT, REPAIR_QUEUE, 0, 0 },
	{ "net_iavf", LANE_DIRECT, REPAIR_NONE, 0, 0 },
	{ "mlx5", LANE_DIRECT, REPAIR_QUEUE, 0, 0 },
	{ "net_ena", LANE_DIRECT, REPAIR_NONE, 0, 0 },
	{ "net_af_packet", LANE_DISPATCH, REPAIR_QUEUE, 1, 0 },
	{ "net_af_xdp", LANE_DISPATCH, REPAIR_QUEUE, 1, 0 },
	{ "", LANE_DISPATCH, REPAIR_QUEUE, 0, 0 },
};

static const struct driver *
find_driver(const char *name)
{
	const struct driver *d;

	for (d = drivers; strncmp(d->name, name, strlen(d->name)) != 0; d++)
		;
	return d;
}

/* ---- making the device ------------------------------------------------- */

static int
make_vdev(struct primary *p, uint32_t i, const char *dev, const char *args)
{
	const char *name = p->conf->ports[i].name;

	if (rte_vdev_init(dev, args) < 0)
		return primary_fail(p, -ENODEV, "port %s: DPDK cannot make "
		    "%s%s%s", name, dev, args[0] != '\0' ? "," : "", args);
	if (rte_eth_dev_get_port_by_name(dev, &p->port[i].id) < 0)
		return primary_fail(p, -ENODEV, "port %s: %s is not a network "
		    "device", name, dev);
	p->port[i].is_open = 1;
	return 0;
}

static int
open_tap(struct primary *p, uint32_t i)
{
	char args[OPT_STRLEN], dev[32];
	int err;

	err = tap_args(p, i, args, sizeof(args));
	if (err < 0)
		return err;
	snprintf(dev, sizeof(dev), "net_tap%u", i);
	/* kernels without sch_multiq: four lines about flow rules, which we
	 * do not use; what fails of it shows later again */
	rte_log_set_level_pattern("pmd.net.tap", RTE_LOG_CRIT);
	err = make_vdev(p, i, dev, args);
	rte_log_set_level_pattern("pmd.net.tap", RTE_LOG_NOTICE);
	if (err < 0)
		tap_remove(p, i); /* it persists, and was not there before */
	else
		tap_mark(p, i);
	return err;
}

static int
open_vdev(struct primary *p, uint32_t i)
{
	char dev[OPT_STRLEN];
	char *args;

	strlcpy(dev, p->conf->ports[i].device, sizeof(dev));
	args = strchr(dev, ',');
	if (args != NULL)
		*args++ = '\0';
	return make_vdev(p, i, dev, args != NULL ? args : "");
}

static int
open_pci(struct primary *p, uint32_t i)
{
	const struct conf_port *c = &p->conf->ports[i];
	struct rte_eth_dev_info info;
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
		if (rte_eth_dev_info_get(id, &info) == 0 &&
		    strcasecmp(rte_dev_name(info.device), c->device) == 0) {
			p->port[i].id = id;
			p->port[i].is_open = 1;
			return 0;
		}
	return primary_fail(p, -ENODEV, "port %s: no network device %s that "
	    "DPDK can drive; run: dpdk-devbind.py --bind=vfio-pci %s",
	    c->name, c->device, c->device);
}

/* ---- what it can do ---------------------------------------------------- */

static uint32_t
caps_of(const struct pport *pp, int dispatched)
{
	uint32_t caps = 0;

	if ((pp->rx_offloads & RX_CSUM) == RX_CSUM)
		caps |= NET_CAP_RX_CSUM;
	if (pp->tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)
		caps |= NET_CAP_TX_IPCSUM;
	if (pp->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
		caps |= NET_CAP_TX_L4CSUM;
	/* the primary copies dispatched frames, ranges too, and has hashed
	 * them; a frame must fit one of its buffers */
	if (dispatched)
		return caps | NET_CAP_FRAGS | NET_CAP_RX_HASH;
	if (pp->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO)
		caps |= NET_CAP_TSO;
	if ((pp->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) &&
	    rte_eal_iova_mode() == RTE_IOVA_VA)
		caps |= NET_CAP_FRAGS;
	if (pp->rx_offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH)
		caps |= NET_CAP_RX_HASH;
	return caps;
}

static int
decide_lane(struct primary *p, uint32_t i, const char *driver)
{
	const struct conf_port *c = &p->conf->ports[i];
	struct board_port *b = &p->board->port[i];
	const struct driver *d = p->port[i].driver;

	b->lane = d->lane;
	b->repair = d->repair;
	if (c->lane == CONF_LANE_DIRECT && d->lane != LANE_DIRECT)
		return primary_fail(p, -EINVAL, "port %s: workers cannot poll "
		    "the queues of %s; allowed lane = \"dispatch\"", c->name,
		    driver);
	if (c->lane == CONF_LANE_DISPATCH) {
		b->lane = LANE_DISPATCH;
		b->repair = REPAIR_QUEUE;
	}
	return 0;
}

/* Read what the device can do, and decide what of it we use. */
static int
inspect(struct primary *p, uint32_t i)
{
	const struct conf_port *c = &p->conf->ports[i];
	struct board_port *b = &p->board->port[i];
	struct pport *pp = &p->port[i];
	struct rte_ether_addr mac;
	struct rte_eth_dev_info info;
	int err;

	err = rte_eth_dev_info_get(pp->id, &info);
	if (err < 0)
		return primary_fail(p, err, "port %s: no information about "
		    "the device: %s", c->name, rte_strerror(-err));
	pp->driver = find_driver(info.driver_name);
	err = decide_lane(p, i, info.driver_name);
	if (err < 0)
		return err;
	b->ethdev = pp->id;
	strlcpy(b->driver, info.driver_name, sizeof(b->driver));
	b->nqueues = b->lane == LANE_DISPATCH ? 1 :
	    (uint8_t)__builtin_popcount(pp->slots);
	if (b->nqueues > info.max_rx_queues || b->nqueues > info.max_tx_queues)
		return primary_fail(p, -EINVAL, "port %s: %u slots need a "
		    "queue each, %s has %u; allowed lane = \"dispatch\"",
		    c->name, b->nqueues, info.driver_name,
		    RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	if (c->mtu + FRAME_ROOM > info.max_rx_pktlen)
		return primary_fail(p, -EINVAL, "port %s: mtu = %ld, %s "
		    "carries at most %u", c->name, (long)c->mtu,
		    info.driver_name, info.max_rx_pktlen - FRAME_ROOM);
	if (c->type == PORT_TAP) {
		tap_mac(p, i, 0, b->mac);
	} else {
		rte_eth_macaddr_get(pp->id, &mac);
		memcpy(b->mac, mac.addr_bytes, sizeof(b->mac));
	}
	if (!pp->driver->no_offloads) {
		pp->rx_offloads = info.rx_offload_capa & RX_WANTED;
		pp->tx_offloads = info.tx_offload_capa & TX_WANTED;
	}
	b->caps = caps_of(pp, b->lane == LANE_DISPATCH);
	if (b->nqueues > 1 && c->type != PORT_TAP && info.reta_size > 0 &&
	    info.reta_size <= PORT_RETA_MAX &&
	    (info.reta_size & (info.reta_size - 1)) == 0)
		pp->reta_size = info.reta_size;
	pp->rx_desc = pp->tx_desc = (uint16_t)c->descriptors;
	if (pp->driver->max_desc > 0 && pp->rx_desc > pp->driver->max_desc)
		pp->rx_desc = pp->driver->max_desc;
	return 0;
}

static void
open_wire(struct primary *p, uint32_t i)
{
	struct board_port *b = &p->board->port[i];

	b->lane = LANE_WIRE;
	b->repair = REPAIR_QUEUE;
	strlcpy(b->driver, "wire", sizeof(b->driver));
	strlcpy(b->device, p->conf->ports[i].peer, sizeof(b->device));
	b->nqueues = (uint8_t)__builtin_popcount(p->port[i].slots);
	b->caps = NET_CAP_RX_CSUM | NET_CAP_TX_IPCSUM | NET_CAP_TX_L4CSUM |
	    NET_CAP_TSO | NET_CAP_FRAGS | NET_CAP_RX_HASH;
	tap_mac(p, i, 0, b->mac);
}

static void
number_queues(struct primary *p, uint32_t i)
{
	uint8_t q = 0;
	uint32_t s;

	if (p->board->port[i].lane == LANE_DISPATCH)
		return;
	for (s = 0; s < p->board->head.nslots; s++)
		if (p->port[i].slots & 1u << s) {
			p->port[i].owner[q] = (uint8_t)s;
			p->board->slot[s].fixed.queue[i] = q++;
		}
}

int
port_open_all(struct primary *p)
{
	uint32_t i;
	int err = 0;

	for (i = 0; err == 0 && i < p->conf->nports; i++) {
		if (p->port[i].slots == 0)
			log_warn("port %s: no worker serves it",
			    p->conf->ports[i].name);
		switch ((enum port_type)p->conf->ports[i].type) {
		case PORT_TAP:
			err = open_tap(p, i);
			break;
		case PORT_PCI:
			err = open_pci(p, i);
			break;
		case PORT_VDEV:
			err = open_vdev(p, i);
			break;
		case PORT_WIRE:
			open_wire(p, i);
			break;
		case PORT_TYPES:
			err = -EINVAL;
			break;
		}
		if (err == 0 && p->port[i].is_open)
			err = inspect(p, i);
		if (err == 0)
			number_queues(p, i);
	}
	return err;
}

/* ---- starting ---------------------------------------------------------- */

void
port_flush(struct rte_mempool *mp)
{
	struct rte_mempool_cache *c;

	c = rte_mempool_default_cache(mp, rte_lcore_id());
	if (c != NULL)
		rte_mempool_cache_flush(c, mp);
}

int
port_rx_queue(struct primary *p, uint32_t i, uint16_t q,
    struct rte_mempool *mp)
{
	const struct pport *pp = &p->port[i];
	int err;

	err = rte_eth_rx_queue_setup(pp->id, q, pp->rx_desc,
	    (unsigned int)rte_eth_dev_socket_id(pp->id), NULL, mp);
	/* the slot's worker is the pool's only user: keep none of it */
	port_flush(mp);
	return err;
}

int
port_tx_queue(struct primary *p, uint32_t i, uint16_t q)
{
	const struct pport *pp = &p->port[i];

	return rte_eth_tx_queue_setup(pp->id, q, pp->tx_desc,
	    (unsigned int)rte_eth_dev_socket_id(pp->id), NULL);
}

static int
setup_queues(struct primary *p, uint32_t i)
{
	const struct board_port *b = &p->board->port[i];
	struct rte_mempool *mp;
	uint16_t q;
	int err = 0;

	for (q = 0; err == 0 && q < b->nqueues; q++) {
		mp = b->lane == LANE_DISPATCH ? p->spread_pool :
		    p->slot[p->port[i].owner[q]].pool;
		err = port_rx_queue(p, i, q, mp);
		if (err == 0)
			err = port_tx_queue(p, i, q);
	}
	return err;
}

/*
 * RSS with our key where the driver takes it; one that insists on its own is
 * asked for it, and the board says which it is.
 */
static int
configure(struct primary *p, uint32_t i, const struct rte_eth_dev_info *info)
{
	struct board_port *b = &p->board->port[i];
	struct pport *pp = &p->port[i];
	struct rte_eth_conf conf;
	uint8_t key[KEY_MAX] = { 0 };
	int err;

	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = b->mtu;
	conf.rxmode.offloads = pp->rx_offloads;
	conf.txmode.offloads = pp->tx_offloads;
	memcpy(key, b->rss_key, sizeof(b->rss_key));
	if (b->nqueues > 1 && b->type != PORT_TAP &&
	    (info->flow_type_rss_offloads & RSS_WANTED) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = RSS_WANTED &
		    info->flow_type_rss_offloads;
		if (info->hash_key_size >= sizeof(b->rss_key) &&
		    info->hash_key_size <= KEY_MAX) {
			conf.rx_adv_conf.rss_conf.rss_key = key;
			conf.rx_adv_conf.rss_conf.rss_key_len =
			    info->hash_key_size;
		}
	} else {
		conf.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_RSS_HASH;
	}
	err = rte_eth_dev_configure(pp->id, b->nqueues, b->nqueues, &conf);
	if (err < 0 && conf.rx_adv_conf.rss_conf.rss_key != NULL) {
		conf.rx_adv_conf.rss_conf.rss_key = NULL;
		conf.rx_adv_conf.rss_conf.rss_key_len = 0;
		err = rte_eth_dev_configure(pp->id, b->nqueues, b->nqueues,
		    &conf);
	}
	pp->rx_offloads = conf.rxmode.offloads;
	b->caps = caps_of(pp, b->lane == LANE_DISPATCH);
	return err;
}

/* The key the port uses in truth. */
static void
read_key(struct primary *p, uint32_t i)
{
	struct board_port *b = &p->board->port[i];
	struct rte_eth_rss_conf rss;
	uint8_t key[KEY_MAX];

	if (p->port[i].reta_size == 0)
		return;
	memset(&rss, 0, sizeof(rss));
	rss.rss_key = key;
	rss.rss_key_len = sizeof(key);
	if (rte_eth_dev_rss_hash_conf_get(p->port[i].id, &rss) < 0 ||
	    memcmp(key, b->rss_key, sizeof(b->rss_key)) == 0)
		return;
	log_info("port %s keeps its own RSS key", p->conf->ports[i].name);
	memcpy(b->rss_key, key, sizeof(b->rss_key));
}

/* A NIC passes frames of groups on, which neighbour discovery is sent to
 * (RFC 4861 7.2.2), only when told to; a tap has no filter. */
static void
hear_groups(struct primary *p, uint32_t i)
{
	const struct board_port *b = &p->board->port[i];
	uint32_t k;

	for (k = 0; k < b->naddrs && b->addr[k].family != 6; k++)
		continue;
	if (k < b->naddrs && b->type != PORT_TAP &&
	    rte_eth_allmulticast_enable(p->port[i].id) < 0)
		log_warn("port %s: %s does not pass multicast frames on: IPv6 "
		    "neighbours will not find us", b->name, b->driver);
}

static int
start(struct primary *p, uint32_t i)
{
	struct board_port *b = &p->board->port[i];
	struct pport *pp = &p->port[i];
	struct rte_eth_dev_info info;
	int err;

	if (b->nqueues == 0)
		return 0;	/* nobody serves it */
	err = rte_eth_dev_info_get(pp->id, &info);
	if (err == 0)
		err = configure(p, i, &info);
	if (err == 0)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(pp->id, &pp->rx_desc,
		    &pp->tx_desc);
	if (err == 0)
		err = setup_queues(p, i);
	if (err == 0)
		err = rte_eth_dev_start(pp->id);
	if (err < 0)
		return primary_fail(p, err, "port %s: cannot start %s with %u "
		    "queues: %s", p->conf->ports[i].name, b->driver,
		    b->nqueues, rte_strerror(-err));
	pp->is_started = 1;
	fill_device(p, i);
	read_key(p, i);
	hear_groups(p, i);
	if (b->type != PORT_TAP)
		return 0;
	tap_noasync();
	return tap_host(p, i);
}

int
port_start_all(struct primary *p)
{
	uint32_t i;
	int err = 0;

	for (i = 0; err == 0 && i < p->conf->nports; i++)
		if (p->port[i].is_open)
			err = start(p, i);
	return err;
}

void
port_close_all(struct primary *p)
{
	uint32_t i;

	for (i = 0; i < p->conf->nports; i++) {
		struct pport *pp = &p->port[i];

		if (!pp->is_open)
			continue;
		if (pp->is_started)
			rte_eth_dev_stop(pp->id);
		rte_eth_dev_close(pp->id);
		if (p->conf->ports[i].type == PORT_TAP)
			tap_remove(p, i);
		pp->is_open = pp->is_started = 0;
	}
}
