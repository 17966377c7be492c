/*
 * drill_lab: the instance that a drill hurts, and its files. Everything lies
 * in one temporary directory but what the instance itself makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "drill.h"

static const char conf_text[] =
    "name = \"%s\";\n"
    "hang_ms = 500; crash_deaths = 64; crash_window_s = 1;\n"
    "memory = { buffers = 8192; connections = 8192; timewait = 8192;\n"
    "    chunks = 4096; cache_mb = 16; };\n"
    "ports = (\n"
    "    { name = \"tap0\"; type = \"tap\"; device = \"%s\"; queues = 4;\n"
    "      host = \"" DRILL_HOST "/24\"; address = [ \"" DRILL_OURS
    "/24\" ]; },\n"
    "    { name = \"left\"; type = \"wire\"; peer = \"right\";\n"
    "      address = [ \"10.76.1.1/24\" ]; },\n"
    "    { name = \"right\"; type = \"wire\"; peer = \"left\";\n"
    "      address = [ \"10.76.1.2/24\" ]; }\n"
    ");\n"
    "workers = (\n"
    "    { name = \"web\"; service = \"http\"; ports = [ \"tap0\", \"left\" ];\n"
    "      listen = [ \"*:80\" ]; count = %u; %s\n"
    "      http = { root = \"%s/www\"; echo = \"/echo\";\n"
    "               ws = \"/ws\"; }; },\n"
    "    { name = \"kv\"; service = \"kv\"; ports = [ \"tap0\" ];\n"
    "      listen = [ \"*:7000\" ]; },\n"
    "    { name = \"load\"; service = \"wget\"; ports = [ \"right\" ];\n"
    "      after = [ \"web\" ];\n"
    "      wget = { url = \"http://10.76.1.1/f1.bin\"; flows = 0;\n"
    "               keep_alive = 0; duration_s = 86400;\n"
    "               concurrency = %u; %s }; }\n"
    ");\n";

static int
complain(const char *what, int err)
{
	fprintf(stderr, "starfish drill: %s: %s\n", what, strerror(-err));
	return err;
}

static int
make_file(const struct drill *d, uint32_t f)
{
	char path[192];
	uint32_t i;
	FILE *out;

	snprintf(path, sizeof(path), "%s/www/f%u.bin", d->dir, f);
	out = fopen(path, "we");
	if (out == NULL)
		return complain(path, -errno);
	for (i = 0; i < drill_size[f]; i++)
		putc(drill_byte(f, i), out);
	return fclose(out) == EOF ? complain(path, -errno) : 0;
}

static int
make_conf(const struct drill *d)
{
	char path[192], device[16];
	FILE *out;

	snprintf(path, sizeof(path), "%s/conf", d->dir);
	out = fopen(path, "we");
	if (out == NULL)
		return complain(path, -errno);
	snprintf(device, sizeof(device), "sfd%u", (unsigned int)getpid());
	fprintf(out, conf_text, d->name, device, d->o.workers,
	    d->o.count[DRILL_ADD] > 0 ? "spare = 1;" : "", d->dir,
	    d->o.conns, "rate = 2000;");
	return fclose(out) == EOF ? complain(path, -errno) : 0;
}

int
lab_verb(struct drill *d, const char *const words[])
{
	char self[PATH_MAX], log[192];
	const char *argv[16] = { "starfish" };
	uint32_t i;
	ssize_t n;
	pid_t pid;
	int fd, status;

	for (i = 0; words[i] != NULL && i + 2 < 16; i++)
		argv[i + 1] = words[i];
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return -errno;
	self[n] = '\0';
	snprintf(log, sizeof(log), "%s/log", d->dir);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		    0600);
		if (fd >= 0) {
			dup2(fd, 1);
			dup2(fd, 2);
		}
		execv(self, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* The last lines of the log, to tell why something failed. */
static void
show_log(const struct drill *d)
{
	char line[512], log[192];
	FILE *in;
	long size;

	snprintf(log, sizeof(log), "%s/log", d->dir);
	in = fopen(log, "re");
	if (in == NULL)
		return;
	fseek(in, 0, SEEK_END);
	size = ftell(in);
	fseek(in, size > 2000 ? size - 2000 : 0, SEEK_SET);
	while (fgets(line, sizeof(line), in) != NULL)
		fprintf(stderr, "    %s", line);
	fclose(in);
}

void
lab_explain(struct drill *d)
{
	lab_verb(d, (const char *[]){ "-n", d->name, "events", NULL });
	lab_verb(d, (const char *[]){ "-n", d->name, "status", NULL });
	show_log(d);
}

int
lab_up(struct drill *d)
{
	char path[192], conf[192], err[1024];
	uint32_t f;
	int r;

	snprintf(d->name, sizeof(d->name), "drill%u", (unsigned int)getpid());
	snprintf(d->dir, sizeof(d->dir), "/tmp/starfish-drill-XXXXXX");
	if (mkdtemp(d->dir) == NULL)
		return complain(d->dir, -errno);
	/* the workers' user reads it */
	chmod(d->dir, 0755);
	snprintf(path, sizeof(path), "%s/www", d->dir);
	if (mkdir(path, 0755) < 0)
		return complain(path, -errno);
	for (f = 0, r = 0; r == 0 && f < DRILL_FILES; f++)
		r = make_file(d, f);
	if (r == 0)
		r = make_conf(d);
	if (r < 0)
		return r;
	snprintf(conf, sizeof(conf), "%s/conf", d->dir);
	r = lab_verb(d, (const char *[]){ "up", "-c", conf, "--detach",
	    NULL });
	if (r != 0) {
		fprintf(stderr, "starfish drill: the lab instance does not "
		    "start:\n");
		show_log(d);
		return -EIO;
	}
	r = inst_open(&d->in, d->name, err, sizeof(err));
	if (r < 0)
		fprintf(stderr, "starfish drill: %s\n", err);
	return r;
}

int
lab_down(struct drill *d)
{
	static const char *const files[] = { "conf", "log", "www", "" };
	char path[192];
	uint32_t i;
	int r = 0;

	if (d->dir[0] == '\0')
		return 0;
	if (d->in.board != NULL)
		inst_close(&d->in);
	if (d->name[0] != '\0')
		r = lab_verb(d, (const char *[]){ "-n", d->name, "down",
		    NULL });
	if (d->o.keep) {
		fprintf(stderr, "files are in %s\n", d->dir);
		return r;
	}
	for (i = 0; i < DRILL_FILES; i++) {
		snprintf(path, sizeof(path), "%s/www/f%u.bin", d->dir, i);
		unlink(path);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", d->dir, files[i]);
		remove(path);
	}
	return r;
}
