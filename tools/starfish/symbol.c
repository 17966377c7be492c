#include "symbol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwfl.h>

#include "trust.h"

struct symbols {
	Dwfl *dwfl;
	Dwfl_Module *mod;
	GElf_Addr base;
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

struct symbols *
symbol_open(const char *path)
{
	struct symbols *s = calloc(1, sizeof(*s));
	GElf_Addr end;
	int fd;

	if (s == NULL)
		return NULL;
	fd = trust_open(path);
	if (fd >= 0)
		s->dwfl = dwfl_begin(&callbacks);
	if (s->dwfl != NULL) {
		dwfl_report_begin(s->dwfl);
		s->mod = dwfl_report_offline(s->dwfl, "", path, fd);
		dwfl_report_end(s->dwfl, NULL, NULL);
	}
	/* a module that was made owns the descriptor */
	if (fd >= 0 && s->mod == NULL)
		close(fd);
	if (s->mod == NULL) {
		symbol_close(s);
		return NULL;
	}
	dwfl_module_info(s->mod, NULL, &s->base, &end, NULL, NULL, NULL,
	    NULL);
	return s;
}

void
symbol_close(struct symbols *s)
{
	if (s == NULL)
		return;
	if (s->dwfl != NULL)
		dwfl_end(s->dwfl);
	free(s);
}

void
symbol_name(struct symbols *s, uint64_t offset, char *buf, size_t len)
{
	const char *name = NULL, *file = NULL, *slash;
	Dwfl_Line *line;
	int number = 0;

	if (s != NULL) {
		name = dwfl_module_addrname(s->mod, s->base + offset);
		line = dwfl_module_getsrc(s->mod, s->base + offset);
		if (line != NULL)
			file = dwfl_lineinfo(line, NULL, &number, NULL, NULL,
			    NULL);
	}
	if (file != NULL && (slash = strrchr(file, '/')) != NULL)
		file = slash + 1;
	if (name != NULL && file != NULL)
		snprintf(buf, len, "%s (%s:%d)", name, file, number);
	else if (name != NULL)
		snprintf(buf, len, "%s", name);
	else
		snprintf(buf, len, "program+0x%lx", (unsigned long)offset);
}
