#include "http_path.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The segment that ends before dst[at] is complete; start is where it began.
 * Returns where the next one begins: dst[start] after "", "." and "..", else
 * behind its slash. -1: above the root.
 */
static int
segment(const char *dst, int start, int at)
{
	int n = at - start;

	if (n == 0 || (n == 1 && dst[start] == '.'))
		return start;
	if (n == 2 && dst[start] == '.' && dst[start + 1] == '.') {
		if (start == 1)
			return -1;
		for (start--; dst[start - 1] != '/'; start--)
			;
		return start;
	}
	return at + 1;
}

/*
 * Whether the byte c must not follow b in a path: a control character, or the
 * second byte of an overlong UTF-8 sequence, which careless decoders take for
 * a slash or a dot (RFC 3629, 10).
 */
static bool
refused(uint8_t b, uint8_t c)
{
	if (c < 0x20 || c == 0x7f)
		return true;
	if (b < 0xc0 || (c & 0xc0) != 0x80)
		return false;
	return b <= 0xc1 || (b == 0xe0 && c < 0xa0) ||
	    (b == 0xf0 && c < 0x90);
}

int
http_path(char *dst, const char *src, uint32_t n)
{
	int at = 1, start = 1, hi, lo;
	uint32_t i;
	char c;

	if (n == 0 || src[0] != '/')
		return -1;
	dst[0] = '/';
	for (i = 1; i < n; i++) {
		c = src[i];
		if (c == '%') {
			if (n - i < 3 || (hi = hex(src[i + 1])) < 0 ||
			    (lo = hex(src[i + 2])) < 0)
				return -1;
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if (refused((uint8_t)dst[at - 1], (uint8_t)c))
			return -1;
		if (c != '/') {
			dst[at++] = c;
			continue;
		}
		start = segment(dst, start, at);
		if (start < 0)
			return -1;
		/* A kept segment is closed by its slash; a dropped one ends
		 * where it began, behind the slash before it. */
		if (start > at)
			dst[at] = '/';
		at = start;
	}
	start = segment(dst, start, at);
	if (start < 0)
		return -1;
	return start > at ? at : start;
}

void
http_path_encode(struct fmt *f, const char *path, uint32_t n)
{
	uint32_t i;
	char c;

	for (i = 0; i < n; i++) {
		c = path[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr("-._~/", c) != NULL)) {
			fmt_mem(f, &c, 1);
		} else {
			fmt_mem(f, "%", 1);
			fmt_hex(f, (uint8_t)c, 2);
		}
	}
}
