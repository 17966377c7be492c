#include "alog_out.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <time.h>

/* As Apache and nginx do: \" \\ \xHH. */
static void
put_plain(FILE *f, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((uint8_t)*s < ' ' || (uint8_t)*s >= 0x7f)
			fprintf(f, "\\x%02X", (unsigned)(uint8_t)*s);
		else
			putc(*s, f);
	}
}

static void
put_quoted(FILE *f, const char *s)
{
	fputs(" \"", f);
	if (s[0] == '\0')
		putc('-', f);
	put_plain(f, s);
	putc('"', f);
}

/* RFC 8259, 7. Bytes above 127 need not be UTF-8: they are shown as the
 * characters of their numbers. */
static void
put_json(FILE *f, const char *name, const char *s)
{
	fprintf(f, ",\"%s\":\"", name);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((uint8_t)*s < ' ' || (uint8_t)*s >= 0x7f)
			fprintf(f, "\\u%04x", (unsigned)(uint8_t)*s);
		else
			putc(*s, f);
	}
	putc('"', f);
}

static void
json_line(FILE *f, uint32_t slot, const char *client, const char *when,
    const struct alog_rec *r, char *const text[ALOG_TEXTS])
{
	fprintf(f, "{\"time\":\"%s\",\"client\":\"%s\",\"port\":%u,"
	    "\"slot\":%u", when, client, r->port, slot);
	put_json(f, "request", text[ALOG_LINE]);
	fprintf(f, ",\"status\":%u,\"bytes\":%" PRIu64, r->status, r->bytes);
	put_json(f, "host", text[ALOG_HOST]);
	put_json(f, "referer", text[ALOG_REFERER]);
	put_json(f, "agent", text[ALOG_AGENT]);
	fputs("}\n", f);
}

void
alog_print(FILE *f, enum alog_format how, uint32_t slot,
    const struct alog_rec *r, char *const text[ALOG_TEXTS])
{
	char client[INET6_ADDRSTRLEN] = "-", when[64] = "-";
	time_t t = (time_t)r->wall;
	struct tm tm;

	inet_ntop(r->family == 6 ? AF_INET6 : AF_INET, r->addr, client,
	    sizeof(client));
	if (gmtime_r(&t, &tm) != NULL)
		strftime(when, sizeof(when), how == ALOG_JSON ?
		    "%Y-%m-%dT%H:%M:%SZ" : "%d/%b/%Y:%H:%M:%S +0000", &tm);
	if (how == ALOG_JSON) {
		json_line(f, slot, client, when, r, text);
		return;
	}
	fprintf(f, "%s - - [%s]", client, when);
	put_quoted(f, text[ALOG_LINE]);
	fprintf(f, " %u %" PRIu64, r->status, r->bytes);
	if (how == ALOG_COMBINED) {
		put_quoted(f, text[ALOG_REFERER]);
		put_quoted(f, text[ALOG_AGENT]);
	}
	putc('\n', f);
}
