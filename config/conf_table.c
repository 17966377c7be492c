/*
 * conf_table: the options of the configuration, but for the services' own.
 * Names, defaults, ranges, units and help have this one place.
 */
#include <stddef.h>

#include "conf_priv.h"

#define OPT_END	{ .name = NULL }

static const char *const port_types[] = {
	[PORT_TAP] = "tap", [PORT_WIRE] = "wire", [PORT_PCI] = "pci",
	[PORT_VDEV] = "vdev", [PORT_TYPES] = NULL
};
static const char *const lanes[] = { "auto", "direct", "dispatch", NULL };
static const char *const idles[] = {
	[IDLE_SPIN] = "spin", [IDLE_ADAPTIVE] = "adaptive",
	[IDLE_SLEEP] = "sleep", NULL
};
static const char *const congestions[] = { "cubic", "newreno", NULL };

static const struct opt top_opts[] = {
	{ "name", OPT_STRING, offsetof(struct conf_top, name),
	  .max = BOARD_NAME - 1, .defstr = "starfish",
	  .help = "Name of the instance: letters, digits, - and _." },
	{ "hang_ms", OPT_INT, offsetof(struct conf_top, hang_ms),
	  500, 100, 60000, .unit = "ms",
	  .help = "A worker without a heartbeat for this long is killed." },
	{ "start_timeout_ms", OPT_INT,
	  offsetof(struct conf_top, start_timeout_ms),
	  30000, 1000, 600000, .unit = "ms",
	  .help = "Most time that a process may take to start." },
	{ "faults", OPT_BOOL, offsetof(struct conf_top, faults),
	  .help = "Allow faults that are made on purpose, for tests." },
	{ "crash_deaths", OPT_INT, offsetof(struct conf_top, crash_deaths),
	  5, 1, 64, .help = "So many deaths of a slot's workers within "
	  "crash_window_s: it stays DEAD." },
	{ "crash_window_s", OPT_INT, offsetof(struct conf_top, crash_window_s),
	  10, 1, 86400, .unit = "s",
	  .help = "Time in which deaths are counted." },
	{ "standby", OPT_INT, offsetof(struct conf_top, standby),
	  1, 0, BOARD_STANDBYS,
	  .help = "Idle processes that wait to take over a slot." },
	OPT_END
};

const struct optgroup conf_top_table = {
	"", "The instance.", sizeof(struct conf_top), top_opts
};

#define M(m)	offsetof(struct conf_memory, m)
static const struct opt memory_opts[] = {
	{ "hugepages_mb", OPT_INT, M(hugepages_mb), 0, 0, 1 << 20,
	  .unit = "MB",
	  .help = "Hugepage memory to reserve; 0: what the rest needs." },
	{ "buffers", OPT_INT, M(buffers), 16384, 2048, 1 << 22,
	  .help = "Packet buffers of each slot." },
	{ "buffer_size", OPT_INT, M(buffer_size), 2048, 1024, 16384,
	  .unit = "bytes", .help = "Largest frame that one buffer holds." },
	{ "connections", OPT_INT, M(connections), 16384, 16, 1 << 23,
	  .help = "Connections of each slot, half-open ones too." },
	{ "timewait", OPT_INT, M(timewait), 32768, 16, 1 << 23,
	  .help = "Connections in TIME_WAIT of each slot." },
	{ "objects", OPT_INT, M(objects), 16384, 16, 1 << 23,
	  .help = "Objects of each slot, where the service has some." },
	{ "chunks", OPT_INT, M(chunks), 8192, 64, 1 << 23,
	  .help = "Large chunks of each slot, for data to send." },
	{ "chunk_size", OPT_INT, M(chunk_size), 4096, 1024, 65536,
	  .unit = "bytes", .help = "Bytes of a large chunk; times 64." },
	{ "ring", OPT_INT, M(ring), 1024, 64, 65536,
	  .help = "Frames on the way from slot to slot; a power of two." },
	{ "wire_ring", OPT_INT, M(wire_ring), 2048, 64, 65536,
	  .help = "Frames in a queue of a wire; a power of two." },
	{ "cache_mb", OPT_INT, M(cache_mb), 1024, 1, 1 << 20, .unit = "MB",
	  .help = "Largest document root that is taken into memory." },
	{ "cache_file_max", OPT_INT, M(cache_file_max), 16 << 20, 0,
	  INT64_MAX, .unit = "bytes",
	  .help = "Largest file that is taken into memory; larger ones are "
	      "read from the disk when they are asked for." },
	{ "stream_buffers", OPT_INT, M(stream_buffers), 64, 1, 4096,
	  .help = "Buffers of 64 KiB of each slot for such reads." },
	{ "reload_room", OPT_INT, M(reload_room), 25, -1, 1000, .unit = "%",
	  .help = "How much larger a document root may be when it is loaded "
	      "again; -1: no reload, which takes half the memory." },
	{ "huge_dir", OPT_STRING, M(huge_dir),
	  .help = "Where hugetlbfs is mounted; empty: found or mounted." },
	OPT_END
};
#undef M

const struct optgroup conf_memory_table = {
	"memory", "Sizes. Everything is allocated before the start.",
	sizeof(struct conf_memory), memory_opts
};

#define T(m)	offsetof(struct conf_tcp, m)
static const struct opt tcp_opts[] = {
	{ "rto_min_ms", OPT_INT, T(rto_min_ms), 200, 1, 60000, .unit = "ms",
	  .help = "Shortest retransmission timeout." },
	{ "rto_init_ms", OPT_INT, T(rto_init_ms), 1000, 1, 60000,
	  .unit = "ms", .help = "Retransmission timeout before any sample." },
	{ "delack_ms", OPT_INT, T(delack_ms), 40, 0, 500, .unit = "ms",
	  .help = "Longest delay of an acknowledgement; 0: none." },
	{ "timewait_ms", OPT_INT, T(timewait_ms), 60000, 0, 240000,
	  .unit = "ms", .help = "Time in TIME_WAIT." },
	{ "rcvbuf", OPT_INT, T(rcvbuf), 1 << 20, 4096, 1 << 30,
	  .unit = "bytes", .help = "Largest receive window." },
	{ "sndbuf", OPT_INT, T(sndbuf), 1 << 18, 4096, 1 << 30,
	  .unit = "bytes",
	  .help = "Most bytes queued to send, files not counted." },
	{ "backlog", OPT_INT, T(backlog), 1024, 1, 1 << 20,
	  .help = "Half-open connections per listener before SYN cookies." },
	{ "initial_window", OPT_INT, T(initial_window), 10, 1, 64,
	  .unit = "segments", .help = "Congestion window of a new connection." },
	{ "congestion", OPT_ENUM, T(congestion), .words = congestions,
	  .help = "Congestion control." },
	{ "timestamps", OPT_BOOL, T(timestamps), 1,
	  .help = "Timestamps option (RFC 7323)." },
	{ "sack", OPT_BOOL, T(sack), 1,
	  .help = "Selective acknowledgements (RFC 2018)." },
	{ "ecn", OPT_BOOL, T(ecn), 1,
	  .help = "Accept explicit congestion notification (RFC 3168)." },
	OPT_END
};
#undef T

const struct optgroup conf_tcp_table = {
	"tcp", "Settings of the TCP stack.", sizeof(struct conf_tcp), tcp_opts
};

static const struct opt ip_opts[] = {
	{ "reassembly", OPT_BOOL, offsetof(struct conf_ip, reassembly), 1,
	  .help = "Put fragments together; false: they are dropped." },
	OPT_END
};

const struct optgroup conf_ip_table = {
	"ip", "Settings of IPv4 and IPv6.", sizeof(struct conf_ip), ip_opts
};

#define P(m)	offsetof(struct conf_port, m)
static const struct opt port_opts[] = {
	{ "name", OPT_STRING, P(name), .max = BOARD_NAME - 1,
	  .help = "Name of the port; required." },
	{ "type", OPT_ENUM, P(type), PORT_TAP, .words = port_types,
	  .help = "What it is: tap interface, wire, PCI or virtual device." },
	{ "device", OPT_STRING, P(device),
	  .help = "tap: interface; pci: address; vdev: DPDK's string." },
	{ "host", OPT_STRING, P(host),
	  .help = "tap: the kernel's own address/prefix on the interface." },
	{ "host6", OPT_STRING, P(host6),
	  .help = "tap: the same for IPv6." },
	{ "address", OPT_STRINGS, P(address),
	  .help = "Our addresses, each address/prefix; required." },
	{ "gateway", OPT_STRING, P(gateway),
	  .help = "Router towards all other networks; empty: none." },
	{ "gateway6", OPT_STRING, P(gateway6),
	  .help = "The same for IPv6; may be link-local." },
	{ "peer", OPT_STRING, P(peer),
	  .help = "wire: name of the port at the other end." },
	{ "queues", OPT_INT, P(queues), 0, 0, BOARD_SLOTS,
	  .help = "Queue pairs, a tap has at most 4; 0: one per slot." },
	{ "mtu", OPT_INT, P(mtu), 1500, 576, 9600, .unit = "bytes",
	  .help = "Largest IP packet; IPv6 needs 1280." },
	{ "vlan", OPT_INT, P(vlan), 0, 0, 4094,
	  .help = "VLAN that all frames are tagged with; 0: no tags." },
	{ "descriptors", OPT_INT, P(descriptors), 512, 64, 8192,
	  .help = "Frames in each queue of the device; a power of two." },
	{ "lane", OPT_ENUM, P(lane), 0, .words = lanes,
	  .help = "Who polls the device: workers, or the primary for them." },
	OPT_END
};
#undef P

const struct optgroup conf_port_table = {
	"ports", "A port: a device and our addresses on it.",
	sizeof(struct conf_port), port_opts
};

#define W(m)	offsetof(struct conf_worker, m)
static const struct opt worker_opts[] = {
	{ "name", OPT_STRING, W(name), .max = BOARD_NAME - 1,
	  .help = "Name of the group of workers; required." },
	{ "service", OPT_STRING, W(service),
	  .help = "What they run; its options are in the group of that name." },
	{ "ports", OPT_STRINGS, W(ports),
	  .help = "Names of the ports that they serve; empty: all." },
	{ "after", OPT_STRINGS, W(after),
	  .help = "Names of groups that serve before these are started." },
	{ "listen", OPT_STRINGS, W(listen),
	  .help = "Where it accepts: \"address:port\", \"*:80-89\", \"udp:*:53\"." },
	{ "count", OPT_INT, W(count), 1, 1, BOARD_SLOTS,
	  .help = "Workers of this group, one slot each." },
	{ "spare", OPT_INT, W(spare), 0, 0, BOARD_SLOTS - 1,
	  .help = "Slots with memory but no worker, for `starfish add`." },
	{ "cpus", OPT_INTS, W(cpu_list), .min = 0, .max = 1023,
	  .help = "CPU of each worker, in turn; empty: chosen." },
	{ "source_ports", OPT_STRING, W(source_ports),
	  .help = "Source ports of a client, \"lo-hi\"; empty: chosen." },
	{ "idle", OPT_ENUM, W(idle), IDLE_ADAPTIVE, .words = idles,
	  .help = "Without work: spin, sleep, or spin a while, then sleep." },
	OPT_END
};
#undef W

const struct optgroup conf_worker_table = {
	"workers", "A group of workers: one service in `count` slots.",
	sizeof(struct conf_worker), worker_opts
};

const struct optgroup *const conf_tables[] = {
	&conf_top_table, &conf_memory_table, &conf_tcp_table,
	&conf_ip_table, &conf_security_table, &conf_port_table,
	&conf_worker_table,
	&conf_fault_table, NULL
};
