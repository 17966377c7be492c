/* The words that status, stats and events print for enumerators. */
#include "board.h"
#include "tcb.h"

const char *const counter_names[CNT_MAX] = {
#define C(name, help) [CNT_##name] = #name,
#include "counters.def"
#undef C
};

const char *const counter_help[CNT_MAX] = {
#define C(name, help) [CNT_##name] = help,
#include "counters.def"
#undef C
};

const char *const slot_state_names[SLOT_STATES] = {
	[SLOT_EMPTY] = "EMPTY",
	[SLOT_STARTING] = "STARTING",
	[SLOT_READY] = "READY",
	[SLOT_SERVING] = "SERVING",
	[SLOT_DRAINING] = "DRAINING",
	[SLOT_DEAD] = "DEAD",
	[SLOT_REPAIRING] = "REPAIRING",
};

const char *const port_type_names[PORT_TYPES] = {
	[PORT_TAP] = "tap",
	[PORT_WIRE] = "wire",
	[PORT_PCI] = "pci",
	[PORT_VDEV] = "vdev",
};

const char *const port_lane_names[LANES] = {
	[LANE_DIRECT] = "direct",
	[LANE_DISPATCH] = "dispatch",
	[LANE_WIRE] = "wire",
};

const char *const port_repair_names[REPAIRS] = {
	[REPAIR_QUEUE] = "queue",
	[REPAIR_PORT] = "port",
	[REPAIR_NONE] = "none",
};

/* As RFC 9293 (3.3.2) writes them. */
const char *const tcp_state_names[] = {
	[TCP_CLOSED] = "CLOSED",
	[TCP_SYN_SENT] = "SYN-SENT",
	[TCP_SYN_RCVD] = "SYN-RECEIVED",
	[TCP_ESTABLISHED] = "ESTABLISHED",
	[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCP_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCP_FIN_WAIT_2] = "FIN-WAIT-2",
	[TCP_CLOSING] = "CLOSING",
	[TCP_LAST_ACK] = "LAST-ACK",
	[TCP_TIME_WAIT] = "TIME-WAIT",
};
