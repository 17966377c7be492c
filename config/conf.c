/*
 * conf: reads a configuration file as a whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "conf_priv.h"

_Static_assert(OPT_LISTLEN >= BOARD_SLOTS, "cpus names one for each slot");
_Static_assert(OPT_LISTLEN >= BOARD_PORTS, "ports names each port");
_Static_assert(BOARD_GROUPS * OPT_LISTLEN >= BOARD_LISTENERS,
    "check_listeners() is needed");

static const char *const top_keys[] = {
	"memory", "tcp", "ip", "security", "ports", "workers", NULL
};

#define CONF_MAX	(256 << 10) /* bytes of a file */

/* Tell what hinders libconfig: it reports a missing file without a reason. */
static int
read_file(struct reader *r)
{
	const char *file;
	char dir[BOARD_PATH], *slash;
	struct stat st;

	if (stat(r->file, &st) < 0 || access(r->file, R_OK) < 0) {
		reader_fail(r, NULL, "%s", strerror(errno));
		return -errno;
	}
	if (!S_ISREG(st.st_mode)) {
		reader_fail(r, NULL, "not a file");
		return -EINVAL;
	}
	/* libconfig's time grows with the square of a line's length */
	if (st.st_size > CONF_MAX) {
		reader_fail(r, NULL, "%lld bytes: allowed at most %d",
		    (long long)st.st_size, CONF_MAX);
		return -EFBIG;
	}
	strlcpy(dir, r->file, sizeof(dir));
	slash = strrchr(dir, '/');
	if (slash != NULL) {
		*slash = '\0';
		config_set_include_dir(&r->cfg, dir[0] == '\0' ? "/" : dir);
	}
	if (config_read_file(&r->cfg, r->file) == CONFIG_TRUE)
		return 0;
	file = config_error_file(&r->cfg);
	r->nerr++;
	snprintf(r->err, r->errlen, "%s:%d: %s",
	    file != NULL ? file : r->file, config_error_line(&r->cfg),
	    config_error_text(&r->cfg));
	return -EINVAL;
}

/* The list of groups of this name with 1 to max entries, or NULL. */
static config_setting_t *
entries(struct reader *r, const char *name, uint32_t max)
{
	config_setting_t *s;
	char found[128];
	int n;

	s = config_setting_get_member(config_root_setting(&r->cfg), name);
	if (s == NULL) {
		reader_fail(r, NULL, "%s: missing: allowed a list of 1 to %u "
		    "groups ( { ... } )", name, max);
		return NULL;
	}
	n = config_setting_is_list(s) ? config_setting_length(s) : 0;
	if (n < 1 || n > (int)max) {
		opt_found(s, found, sizeof(found));
		reader_fail(r, s, "%s = %s: allowed a list of 1 to %u groups "
		    "( { ... } )", name, found, max);
		return NULL;
	}
	return s;
}

static void
read_ports(struct reader *r, const config_setting_t *list)
{
	struct conf *c = r->c;
	config_setting_t *e;
	char path[32];
	uint32_t i;

	c->nports = (uint32_t)config_setting_length(list);
	for (i = 0; i < c->nports; i++) {
		e = config_setting_get_elem(list, i);
		snprintf(path, sizeof(path), "ports[%u]", i);
		opt_read(r, e, &conf_port_table, &c->ports[i], path, NULL);
		c->ports[i].line = config_setting_source_line(e);
	}
}

static const struct svc_desc *
find_service(struct reader *r, const config_setting_t *list, uint32_t i)
{
	const char *name = r->c->workers[i].service;
	char all[256] = "";
	uint32_t k;

	for (k = 0; r->descs[k] != NULL; k++) {
		if (strcmp(r->descs[k]->name, name) == 0)
			return r->descs[k];
		strlcat(all, k > 0 ? ", \"" : "\"", sizeof(all));
		strlcat(all, r->descs[k]->name, sizeof(all));
		strlcat(all, "\"", sizeof(all));
	}
	entry_fail(r, list, i, "service", "%sallowed %s",
	    name[0] == '\0' ? "missing: " : "", all);
	return NULL;
}

/* The name alone, before the rest: it says which other group may be there. */
static void
peek_service(const config_setting_t *e, struct conf_worker *w)
{
	const char *name = NULL;

	if (config_setting_is_group(e) &&
	    config_setting_lookup_string(e, "service", &name))
		strlcpy(w->service, name, sizeof(w->service));
}

static void
read_fault(struct reader *r, const config_setting_t *e, struct conf_worker *w,
    const char *entry)
{
	const config_setting_t *s = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s.fault", entry);
	if (config_setting_is_group(e))
		s = config_setting_get_member(e, conf_fault_table.name);
	w->faulty = s != NULL;
	opt_read(r, s, &conf_fault_table, &w->fault, path, NULL);
}

static int
read_worker(struct reader *r, const config_setting_t *list, uint32_t i)
{
	const char *also[BOARD_SLOTS] = { NULL };
	struct conf_worker *w = &r->c->workers[i];
	config_setting_t *e = config_setting_get_elem(list, i);
	const struct svc_desc *desc;
	char path[96];
	uint32_t k;

	peek_service(e, w);
	desc = find_service(r, list, i);
	also[0] = conf_fault_table.name;
	if (desc != NULL && desc->opts != NULL)
		also[1] = desc->name;
	for (k = 0; desc == NULL && r->descs[k] != NULL &&
	    k < BOARD_SLOTS - 2; k++)
		also[1 + k] = r->descs[k]->name; /* one of them was meant */
	snprintf(path, sizeof(path), "workers[%u]", i);
	opt_read(r, e, &conf_worker_table, w, path, also);
	w->line = config_setting_source_line(e);
	read_fault(r, e, w, path);
	w->desc = desc;
	if (desc == NULL)
		return 0;
	w->client = desc->client;
	if (desc->opts == NULL)
		return 0;
	w->options = calloc(1, desc->opts->size);
	if (w->options == NULL) {
		reader_fail(r, e, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	snprintf(path, sizeof(path), "workers[%u].%s", i, desc->name);
	if (config_setting_is_group(e))
		opt_read(r, config_setting_get_member(e, desc->name),
		    desc->opts, w->options, path, NULL);
	return 0;
}

static int
read_workers(struct reader *r, const config_setting_t *list)
{
	struct conf *c = r->c;
	uint32_t i;
	int err;

	c->nworkers = (uint32_t)config_setting_length(list);
	for (i = 0; i < c->nworkers; i++) {
		err = read_worker(r, list, i);
		if (err < 0)
			return err;
	}
	return 0;
}

static void
read_top(struct reader *r)
{
	config_setting_t *root = config_root_setting(&r->cfg);
	struct conf *c = r->c;
	struct conf_top top;

	opt_read(r, root, &conf_top_table, &top, "", top_keys);
	strlcpy(c->name, top.name, sizeof(c->name));
	c->hang_ms = top.hang_ms;
	c->start_timeout_ms = top.start_timeout_ms;
	c->faults = top.faults;
	c->crash_deaths = top.crash_deaths;
	c->crash_window_s = top.crash_window_s;
	c->standby = top.standby;
	if (!name_ok(c->name))
		reader_fail(r, config_setting_get_member(root, "name"),
		    "name = \"%s\": allowed 1 to %u letters, digits, '-', "
		    "'_' and '.'", c->name, BOARD_NAME - 1);
	opt_read(r, config_setting_get_member(root, "memory"),
	    &conf_memory_table, &c->memory, "memory", NULL);
	opt_read(r, config_setting_get_member(root, "tcp"),
	    &conf_tcp_table, &c->tcp, "tcp", NULL);
	opt_read(r, config_setting_get_member(root, "ip"),
	    &conf_ip_table, &c->ip, "ip", NULL);
	opt_read(r, config_setting_get_member(root, "security"),
	    &conf_security_table, &c->security, "security", NULL);
}

/* A copy says of itself that it is one. */
static void
take_mark(struct reader *r, config_setting_t *root)
{
	config_setting_t *e = config_setting_get_member(root, CONF_RESOLVED);

	if (e == NULL || config_setting_type(e) != CONFIG_TYPE_BOOL)
		return;
	r->copy = config_setting_get_bool(e);
	config_setting_remove(root, CONF_RESOLVED);
}

static int
read_all(struct reader *r)
{
	config_setting_t *root = config_root_setting(&r->cfg);
	config_setting_t *ports, *workers;
	int err = 0;

	take_mark(r, root);
	read_top(r);
	ports = entries(r, "ports", BOARD_PORTS);
	workers = entries(r, "workers", BOARD_GROUPS);
	if (ports != NULL)
		read_ports(r, ports);
	if (workers != NULL)
		err = read_workers(r, workers);
	if (err < 0)
		return err;
	/* what comes next would only repeat what is already known wrong */
	if (r->nerr > 0)
		return -EINVAL;
	check_ports(r, ports);
	check_workers(r, workers);
	check_listeners(r, workers);
	check_clients(r, workers);
	check_cpus(r, workers);
	check_roots(r, workers);
	check_faults(r, workers);
	check_queues(r, ports);
	check_security(r, config_setting_get_member(root, "security"));
	check_memory(r, config_setting_get_member(root, "memory"));
	return r->nerr > 0 ? -EINVAL : 0;
}

int
conf_load(struct conf *c, const char *file,
    const struct svc_desc *const *descs, char *err, size_t errlen)
{
	struct reader r = { .c = c, .descs = descs, .err = err,
	    .errlen = errlen };
	int error;

	memset(c, 0, sizeof(*c));
	err[0] = '\0';
	r.file = c->file;
	if (strlcpy(c->file, file, sizeof(c->file)) >= sizeof(c->file)) {
		snprintf(err, errlen, "%s: %s", file, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	config_init(&r.cfg);
	error = read_file(&r);
	if (error == 0)
		error = read_all(&r);
	config_destroy(&r.cfg);
	if (error < 0)
		conf_free(c);
	return error;
}

void
conf_free(struct conf *c)
{
	uint32_t i;

	for (i = 0; i < BOARD_GROUPS; i++) {
		free(c->workers[i].options);
		c->workers[i].options = NULL;
	}
}
