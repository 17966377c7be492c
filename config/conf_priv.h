/*
 * conf_priv: inside of the parser, for the files of config/ only.
 */
#ifndef CONFIG_CONF_PRIV_H
#define CONFIG_CONF_PRIV_H

#include <libconfig.h>

#include "conf.h"

#define CONF_SOURCE_LO	32768u	/* source ports shared out to clients */
#define CONF_SOURCE_HI	60999u

/* A file being read. */
struct reader {
	struct conf *c;
	const char *file;	/* as the user named it */
	config_t cfg;
	const struct svc_desc *const *descs;
	char *err;		/* messages so far, one line each */
	size_t errlen;
	uint32_t nerr;		/* how many there were */
	int copy;		/* made by conf_copy() */
};

#define CONF_RESOLVED	"resolved"	/* what marks a copy */

/* Options outside of any group. */
struct conf_top {
	char name[BOARD_NAME];
	int64_t hang_ms;
	int64_t start_timeout_ms;
	uint8_t faults;
	int64_t crash_deaths, crash_window_s;
	int64_t standby;
};

extern const struct optgroup conf_top_table, conf_memory_table;
extern const struct optgroup conf_tcp_table, conf_ip_table, conf_port_table;
extern const struct optgroup conf_worker_table, conf_security_table;

/* Add "FILE:LINE: text" to the errors; s: the setting that is wrong, or NULL
 * for the file as a whole. */
void	reader_fail(struct reader *r, const config_setting_t *s,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same for the warnings, which do not make the file wrong. */
void	reader_warn(struct reader *r, const config_setting_t *s,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Add an error about option key of entry i of a list: "ports[0].mtu = 9: text",
 * with the line of the option or, if it is not in the file, of the entry.
 */
void	entry_fail(struct reader *r, const config_setting_t *list, uint32_t i,
	    const char *key, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));

/* Add an error about option key of group s ("memory") as a whole. */
void	group_fail(struct reader *r, const config_setting_t *s,
	    const char *path, const char *key, const char *text);

/* Check the option "name" of entry i of a list. */
void	check_name(struct reader *r, const config_setting_t *list, uint32_t i,
	    const char *name);

/* Whether a name has 1 to BOARD_NAME - 1 letters, digits, '-', '_', '.', and
 * begins with a letter or digit. */
int	name_ok(const char *name);

/* Fill the struct at base with the defaults of its table. */
void	opt_defaults(const struct optgroup *g, void *base);

/*
 * Read the group s into the struct at base, defaults first. path names the
 * group in messages ("" at the top). also: further keys that the group may
 * have, NULL-terminated, or NULL.
 */
void	opt_read(struct reader *r, const config_setting_t *s,
	    const struct optgroup *g, void *base, const char *path,
	    const char *const *also);

/* A short text for what a setting's value is: "9", "\"x\"", "a group". */
void	opt_found(const config_setting_t *s, char *buf, size_t len);

/* The word of the table (and of also) nearest to key, or NULL if none is. */
const char *opt_nearest(const struct optgroup *g, const char *const *also,
	    const char *key);

/*
 * Parse "a.b.c.d/n" or "x::y/n". prefix: whether "/n" must be there (else it
 * must not be, and the prefix is that of a host). 0 or -EINVAL.
 */
int	addr_parse(const char *s, int prefix, struct board_addr *a);

/* Parse "addr:port", "[addr]:port", "*:port", perhaps behind "udp:"; port may
 * be "lo-hi". Group 0. 0 or -EINVAL. */
int	addr_listen(const char *s, struct board_listener *l);

/* Parse "lo-hi" or one port, 1 to 65535. 0 or -EINVAL. */
int	addr_range(const char *s, uint16_t *lo, uint16_t *hi);

/* Whether both are the same address. */
int	addr_equal(const struct board_addr *a, const struct board_addr *b);

/* Whether host lies in the network of net. */
int	addr_within(const struct board_addr *net,
	    const struct board_addr *host);

/* What concerns one port, one worker entry, or several of them; all options
 * are read by now. list: "ports" or "workers" of the file. */
void	check_ports(struct reader *r, const config_setting_t *list);
void	check_workers(struct reader *r, const config_setting_t *list);
void	check_listeners(struct reader *r, const config_setting_t *list);
void	check_clients(struct reader *r, const config_setting_t *list);
void	check_cpus(struct reader *r, const config_setting_t *list);
void	check_roots(struct reader *r, const config_setting_t *list);
void	check_queues(struct reader *r, const config_setting_t *list);
void	check_faults(struct reader *r, const config_setting_t *list);
void	check_memory(struct reader *r, const config_setting_t *memory);

/* Resolve security.user; s is the group "security", or NULL. */
void	check_security(struct reader *r, const config_setting_t *s);

/* conf_hugepage_bytes() without regard to memory.hugepages_mb. */
uint64_t size_needed(const struct conf *c, uint64_t roots);

#endif
