/*
 * steer_bpf: the program that chooses a tap's queue, in the place of a NIC's
 * RSS: Toeplitz hash of the tuple by byte tables, group by local port, queue
 * by bucket. Frames without a whole TCP or UDP tuple (ARP, ICMP, fragments)
 * go to the queue of a slot that serves.
 *
 * It is assembled by hand: a compiler for eBPF would be one more thing to
 * install, and the tables make it straight-line code.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "steer.h"

#include "../common/log.h"

#define INSNS		512u
#define FIXUPS		32u
#define TUPLE		(-40)	/* the tuple's place, from the frame pointer */
#define PAGE		4096u

/* where things lie in an Ethernet frame */
#define AT_TYPE		12
#define AT_IP4		14
#define AT_IP4_FRAG	20
#define AT_IP4_PROTO	23
#define AT_IP4_ADDRS	26
#define AT_IP6_NEXT	20
#define AT_IP6_ADDRS	22
#define AT_IP6_PORTS	54

struct prog {
	struct bpf_insn in[INSNS];
	uint32_t n;
	uint32_t fix[FIXUPS];	/* jumps to the end */
	uint32_t nfix;
};

static void
emit(struct prog *g, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
    int32_t imm)
{
	g->in[g->n++] = (struct bpf_insn){ .code = code, .dst_reg = dst & 15u,
	    .src_reg = src & 15u, .off = off, .imm = imm };
}

static void
mov(struct prog *g, uint8_t dst, uint8_t src)
{
	emit(g, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void
mov_imm(struct prog *g, uint8_t dst, int32_t imm)
{
	emit(g, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

static void
alu(struct prog *g, uint8_t op, uint8_t dst, uint8_t src)
{
	emit(g, BPF_ALU64 | op | BPF_X, dst, src, 0, 0);
}

static void
alu_imm(struct prog *g, uint8_t op, uint8_t dst, int32_t imm)
{
	emit(g, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm);
}

/* Jump to the end, where the program returns `rest`, if r0 OP imm. r7 is the
 * map until look_up() has found something. */
static void
out_if(struct prog *g, uint8_t op, uint8_t reg, int32_t imm)
{
	g->fix[g->nfix++] = g->n;
	emit(g, BPF_JMP | op | BPF_K, reg, 0, 0, imm);
}

/* r0 = byte or big-endian half-word of the frame. Beyond its end the program
 * returns 0. r6 is the frame. */
static void
load_abs(struct prog *g, uint8_t size, int32_t at)
{
	emit(g, BPF_LD | BPF_ABS | size, 0, 0, 0, at);
}

/* Copy len bytes of the frame to the stack; r2 says from where. */
static void
load_bytes(struct prog *g, int32_t stack, int32_t len)
{
	mov(g, BPF_REG_1, BPF_REG_6);
	mov(g, BPF_REG_3, BPF_REG_10);
	alu_imm(g, BPF_ADD, BPF_REG_3, stack);
	mov_imm(g, BPF_REG_4, len);
	emit(g, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_load_bytes);
	out_if(g, BPF_JNE, BPF_REG_0, 0);
}

/* Go on only with TCP and UDP; r0 is the protocol. */
static void
only_ports(struct prog *g)
{
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 1, IPPROTO_TCP);
	out_if(g, BPF_JNE, BPF_REG_0, IPPROTO_UDP);
}

/*
 * r8 = hash of n bytes at TUPLE, r9 = the local port, the tuple's last two
 * bytes. r7 is the map.
 */
static void
hash(struct prog *g, uint32_t n)
{
	uint32_t i;

	mov_imm(g, BPF_REG_8, 0);
	mov(g, BPF_REG_5, BPF_REG_7);
	for (i = 0; i < n; i++) {
		emit(g, BPF_LDX | BPF_MEM | BPF_B, BPF_REG_1, BPF_REG_10,
		    (int16_t)(TUPLE + (int)i), 0);
		alu_imm(g, BPF_LSH, BPF_REG_1, 2);
		alu(g, BPF_ADD, BPF_REG_1, BPF_REG_5);
		emit(g, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0);
		alu(g, BPF_XOR, BPF_REG_8, BPF_REG_2);
		alu_imm(g, BPF_ADD, BPF_REG_5, 256 * sizeof(uint32_t));
	}
	emit(g, BPF_LDX | BPF_MEM | BPF_B, BPF_REG_9, BPF_REG_10,
	    (int16_t)(TUPLE + (int)n - 2), 0);
	alu_imm(g, BPF_LSH, BPF_REG_9, 8);
	emit(g, BPF_LDX | BPF_MEM | BPF_B, BPF_REG_1, BPF_REG_10,
	    (int16_t)(TUPLE + (int)n - 1), 0);
	alu(g, BPF_OR, BPF_REG_9, BPF_REG_1);
}

static void
ip4(struct prog *g)
{
	load_abs(g, BPF_B, AT_IP4_PROTO);
	only_ports(g);
	load_abs(g, BPF_H, AT_IP4_FRAG);
	out_if(g, BPF_JSET, BPF_REG_0, 0x3fff);
	load_abs(g, BPF_B, AT_IP4);
	mov(g, BPF_REG_8, BPF_REG_0);
	alu_imm(g, BPF_AND, BPF_REG_8, 15);
	alu_imm(g, BPF_LSH, BPF_REG_8, 2);
	out_if(g, BPF_JLT, BPF_REG_8, 20);
	mov_imm(g, BPF_REG_2, AT_IP4_ADDRS);
	load_bytes(g, TUPLE, 8);
	mov(g, BPF_REG_2, BPF_REG_8);
	alu_imm(g, BPF_ADD, BPF_REG_2, AT_IP4);
	load_bytes(g, TUPLE + 8, 4);
	hash(g, TOEPLITZ_V4);
}

static void
ip6(struct prog *g)
{
	load_abs(g, BPF_B, AT_IP6_NEXT);
	only_ports(g);
	mov_imm(g, BPF_REG_2, AT_IP6_ADDRS);
	load_bytes(g, TUPLE, 32);
	mov_imm(g, BPF_REG_2, AT_IP6_PORTS);
	load_bytes(g, TUPLE + 32, 4);
	hash(g, TOEPLITZ_V6);
}

/* r0 = to[group[r9]][r8 % BOARD_BUCKETS], and end. */
static void
look_up(struct prog *g)
{
	mov(g, BPF_REG_1, BPF_REG_7);
	alu_imm(g, BPF_ADD, BPF_REG_1, offsetof(struct steer_map, group));
	alu(g, BPF_ADD, BPF_REG_1, BPF_REG_9);
	emit(g, BPF_LDX | BPF_MEM | BPF_B, BPF_REG_1, BPF_REG_1, 0, 0);
	out_if(g, BPF_JGE, BPF_REG_1, BOARD_GROUPS);
	alu_imm(g, BPF_MUL, BPF_REG_1, BOARD_BUCKETS);
	alu_imm(g, BPF_AND, BPF_REG_8, BOARD_BUCKETS - 1);
	alu(g, BPF_ADD, BPF_REG_1, BPF_REG_8);
	alu_imm(g, BPF_ADD, BPF_REG_7, offsetof(struct steer_map, to));
	alu(g, BPF_ADD, BPF_REG_7, BPF_REG_1);
	emit(g, BPF_LDX | BPF_MEM | BPF_B, BPF_REG_0, BPF_REG_7, 0, 0);
	emit(g, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void
assemble(struct prog *g, int map_fd)
{
	uint32_t v6, tail, i;

	mov(g, BPF_REG_6, BPF_REG_1);
	/* r7 = address of the map's only value: a load of two words */
	emit(g, BPF_LD | BPF_IMM | BPF_DW, BPF_REG_7, BPF_PSEUDO_MAP_VALUE, 0,
	    map_fd);
	emit(g, 0, 0, 0, 0, 0);
	load_abs(g, BPF_H, AT_TYPE);
	v6 = g->n;
	emit(g, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0x86dd);
	out_if(g, BPF_JNE, BPF_REG_0, 0x0800);
	ip4(g);
	tail = g->n;
	emit(g, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	g->in[v6].off = (int16_t)(g->n - v6 - 1);
	ip6(g);
	g->in[tail].off = (int16_t)(g->n - tail - 1);
	look_up(g);
	for (i = 0; i < g->nfix; i++)
		g->in[g->fix[i]].off = (int16_t)(g->n - g->fix[i] - 1);
	alu_imm(g, BPF_ADD, BPF_REG_7, offsetof(struct steer_map, rest));
	emit(g, BPF_LDX | BPF_MEM | BPF_B, BPF_REG_0, BPF_REG_7, 0, 0);
	emit(g, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static size_t
map_bytes(void)
{
	return (sizeof(struct steer_map) + PAGE - 1) / PAGE * PAGE;
}

int
steer_bpf_open(struct steer_map **mp)
{
	static char why[8192];
	LIBBPF_OPTS(bpf_map_create_opts, mo, .map_flags = BPF_F_MMAPABLE);
	LIBBPF_OPTS(bpf_prog_load_opts, po);
	struct prog g = { .n = 0 };
	struct steer_map *m;
	int fd, prog, err;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "starfish", sizeof(uint32_t),
	    sizeof(struct steer_map), 1, &mo);
	if (fd < 0)
		return fd;
	m = mmap(NULL, map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED) {
		err = -errno;
		close(fd);
		return err;
	}
	assemble(&g, fd);
	prog = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "starfish", "BSD",
	    g.in, g.n, &po);
	if (prog == -EACCES || prog == -EINVAL) {
		/* our mistake, or a kernel that knows less: keep the words */
		po.log_buf = why;
		po.log_size = sizeof(why);
		po.log_level = 1;
		bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "starfish", "BSD",
		    g.in, g.n, &po);
		log_debug("eBPF: %s", why);
	}
	close(fd);	/* mapping and program hold it */
	if (prog < 0) {
		munmap(m, map_bytes());
		return prog;
	}
	*mp = m;
	return prog;
}

void
steer_bpf_close(struct steer_map *m)
{
	munmap(m, map_bytes());
}
