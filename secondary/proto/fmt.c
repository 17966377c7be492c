#include "fmt.h"

void
fmt_u64w(struct fmt *f, uint64_t v, uint32_t width)
{
	char digits[20];
	uint32_t n = 0;

	do {
		digits[sizeof(digits) - ++n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	for (; width > n; width--)
		fmt_mem(f, " ", 1);
	fmt_mem(f, digits + sizeof(digits) - n, n);
}

void
fmt_u64(struct fmt *f, uint64_t v)
{
	fmt_u64w(f, v, 0);
}

void
fmt_fix(struct fmt *f, uint64_t v, uint32_t digits, uint32_t width)
{
	uint64_t unit = 1;
	uint32_t i;

	for (i = 0; i < digits; i++)
		unit *= 10;
	fmt_u64w(f, v / unit, width > digits + 1 ? width - digits - 1 : 0);
	if (digits == 0)
		return;
	fmt_mem(f, ".", 1);
	v %= unit;
	for (unit /= 10; unit > 0; unit /= 10)
		fmt_u64(f, v / unit % 10);
}

void
fmt_strw(struct fmt *f, const char *s, uint32_t width)
{
	size_t n = strlen(s);

	fmt_mem(f, s, n);
	for (; n < width; n++)
		fmt_mem(f, " ", 1);
}

void
fmt_hex(struct fmt *f, uint64_t v, uint32_t digits)
{
	while (digits-- > 0)
		fmt_mem(f, &"0123456789abcdef"[v >> 4 * digits & 0xf], 1);
}

const char *
fmt_end(struct fmt *f)
{
	if (f->p == f->end) {
		f->cut = true;
		f->p--;
	}
	*f->p = '\0';
	return f->start;
}
