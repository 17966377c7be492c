#include "ws_shake.h"

#include <sys/types.h>
#include <sha1.h>

#include "http_lex.h"

#define KEY_LEN		24u	/* base64 of 16 bytes */
#define VERSION		"13"

static const char base64_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
ws_base64(char *to, const uint8_t *p, uint32_t n)
{
	uint32_t v, i;

	for (; n > 0; p += i, n -= i) {
		i = n < 3 ? n : 3;
		v = (uint32_t)p[0] << 16;
		if (i > 1)
			v |= (uint32_t)p[1] << 8;
		if (i > 2)
			v |= p[2];
		*to++ = base64_chars[v >> 18];
		*to++ = base64_chars[v >> 12 & 63];
		*to++ = i > 1 ? base64_chars[v >> 6 & 63] : '=';
		*to++ = i > 2 ? base64_chars[v & 63] : '=';
	}
}

void
ws_accept(char to[WS_ACCEPT], const char *key, uint32_t n)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA1_DIGEST_LENGTH];
	SHA1_CTX ctx;

	SHA1Init(&ctx);
	SHA1Update(&ctx, (const uint8_t *)key, n);
	SHA1Update(&ctx, (const uint8_t *)guid, sizeof(guid) - 1);
	SHA1Final(digest, &ctx);
	ws_base64(to, digest, sizeof(digest));
}

/* Whether key is the base64 of 16 bytes: 22 characters of it, then "==". */
static bool
key_ok(const struct http_slice *key)
{
	uint32_t i;

	if (key->n != KEY_LEN || memcmp(key->p + KEY_LEN - 2, "==", 2) != 0)
		return false;
	for (i = 0; i < KEY_LEN - 2; i++) {
		if (key->p[i] == '\0' ||
		    strchr(base64_chars, key->p[i]) == NULL)
			return false;
	}
	/* Its last character carries two bits only. */
	return strchr("AQgw", key->p[KEY_LEN - 3]) != NULL;
}

/* The next field of this lower-case name; *at is 0 at first. */
static bool
field_next(const struct http_req *r, const char *name, uint32_t *at,
    struct http_slice *v)
{
	const char *s = r->fields.p + *at, *end = r->fields.p + r->fields.n;
	const char *lf, *colon;
	struct http_slice k;

	for (; s < end; s = lf + 1) {
		lf = memchr(s, '\n', (size_t)(end - s));
		if (lf == NULL)
			break;
		colon = memchr(s, ':', (size_t)(lf - s));
		if (colon == NULL)
			break;
		*at = (uint32_t)(lf + 1 - r->fields.p);
		k.p = s;
		k.n = (uint32_t)(colon - s);
		if (!http_is(&k, name))
			continue;
		*v = http_trim(colon + 1, lf - 1);
		return true;
	}
	return false;
}

/* A field that may come once: 1 there is one, 0 none, -1 several. */
static int
field_once(const struct http_req *r, const char *name, struct http_slice *v)
{
	struct http_slice other;
	uint32_t at = 0;

	if (!field_next(r, name, &at, v))
		return 0;
	return field_next(r, name, &at, &other) ? -1 : 1;
}

/* Whether a list field has this element, in any letter case. */
static bool
field_lists(const struct http_req *r, const char *name, const char *word)
{
	struct http_slice v, item;
	uint32_t at = 0;

	while (field_next(r, name, &at, &v))
		while (http_list_next(&v, &item))
			if (http_is(&item, word))
				return true;
	return false;
}

static bool
origin_ok(const struct http_req *r, const struct opt_list *allowed)
{
	struct http_slice v;
	uint32_t i;
	int have = field_once(r, "origin", &v);

	if (allowed->n == 0 || have == 0)
		return true;
	for (i = 0; have > 0 && i < allowed->n; i++) {
		if (strlen(allowed->s[i]) == v.n &&
		    strncasecmp(allowed->s[i], v.p, v.n) == 0)
			return true;
	}
	return false;
}

/* The client's first choice of those that we speak. 0; -1: malformed. */
static int
protocols(const struct http_req *r, const struct opt_list *ours,
    struct ws_agreed *a)
{
	struct http_slice v, item;
	uint32_t at = 0, i;

	while (field_next(r, "sec-websocket-protocol", &at, &v)) {
		while (http_list_next(&v, &item)) {
			for (i = 0; i < item.n; i++)
				if (!http_is_lex(item.p[i], LEX_TOKEN))
					return -1;
			for (i = 0; i < ours->n && a->protocol == NULL; i++)
				if (strlen(ours->s[i]) == item.n &&
				    memcmp(ours->s[i], item.p, item.n) == 0)
					a->protocol = ours->s[i];
		}
	}
	return 0;
}

static int
extensions(const struct http_req *r, struct ws_agreed *a)
{
	struct http_slice v;
	uint32_t at = 0;

	while (field_next(r, "sec-websocket-extensions", &at, &v))
		if (ws_extensions(&v, a) < 0)
			return -1;
	return 0;
}

int
ws_shake(const struct http_req *r, const struct ws_rules *rules,
    struct ws_agreed *a)
{
	struct http_slice key, version;
	int have;

	memset(a, 0, sizeof(*a));
	a->head = r->method == METHOD_HEAD;
	if (r->method != METHOD_GET)
		return 405;
	if (!field_lists(r, "upgrade", "websocket") ||
	    !field_lists(r, "connection", "upgrade"))
		return 426;
	if (r->minor == 0 || (r->flags & REQ_CHUNKED) || r->length > 0)
		return 400;
	have = field_once(r, "sec-websocket-version", &version);
	if (have <= 0)
		return 400;
	if (!http_is(&version, VERSION))
		return 426;
	if (field_once(r, "sec-websocket-key", &key) <= 0 || !key_ok(&key))
		return 400;
	if (!origin_ok(r, rules->origins))
		return 403;
	if (protocols(r, rules->protocols, a) < 0 || extensions(r, a) < 0)
		return 400;
	a->deflate = a->deflate && rules->deflate;
	ws_accept(a->accept, key.p, key.n);
	return 101;
}

static void
agreed(struct fmt *f, const struct ws_agreed *a)
{
	fmt_str(f, "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: ");
	fmt_mem(f, a->accept, WS_ACCEPT);
	fmt_str(f, "\r\n");
	if (a->protocol != NULL) {
		fmt_str(f, "Sec-WebSocket-Protocol: ");
		fmt_str(f, a->protocol);
		fmt_str(f, "\r\n");
	}
	if (a->deflate) {
		fmt_str(f, "Sec-WebSocket-Extensions: permessage-deflate; "
		    "server_no_context_takeover; client_no_context_takeover");
		if (a->said_bits) {
			fmt_str(f, "; server_max_window_bits=");
			fmt_u64(f, a->bits);
		}
		fmt_str(f, "\r\n");
	}
	fmt_str(f, "\r\n");
}

static const char *
reason(int status)
{
	switch (status) {
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 414: return "URI Too Long";
	case 417: return "Expectation Failed";
	case 426: return "Upgrade Required";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 505: return "HTTP Version Not Supported";
	default: return "Error";
	}
}

void
ws_shake_answer(struct fmt *f, int status, const struct ws_agreed *a)
{
	const char *why = reason(status);

	if (status == 101) {
		agreed(f, a);
		return;
	}
	fmt_str(f, "HTTP/1.1 ");
	fmt_u64(f, (uint64_t)status);
	fmt_str(f, " ");
	fmt_str(f, why);
	fmt_str(f, "\r\n");
	if (status == 405)
		fmt_str(f, "Allow: GET\r\n");
	/* RFC 9110 (15.5.22), RFC 6455 (4.4) */
	if (status == 426)
		fmt_str(f, "Upgrade: websocket\r\n"
		    "Sec-WebSocket-Version: " VERSION "\r\n"
		    "Connection: Upgrade, close\r\n");
	else
		fmt_str(f, "Connection: close\r\n");
	fmt_str(f, "Content-Type: text/plain\r\nContent-Length: ");
	fmt_u64(f, strlen(why) + 5);	/* "404 " and "\n" */
	fmt_str(f, "\r\n\r\n");
	/* RFC 9110 (9.3.2): no content, whatever the status is */
	if (a->head)
		return;
	fmt_u64(f, (uint64_t)status);
	fmt_str(f, " ");
	fmt_str(f, why);
	fmt_str(f, "\n");
}
