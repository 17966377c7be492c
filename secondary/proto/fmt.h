/*
 * fmt: text into a buffer of fixed size, for code that has no stdio.
 *
 * Text that does not fit is cut and remembered (fmt_cut): a caller that knows
 * a bound asserts that nothing was.
 */
#ifndef PROTO_FMT_H
#define PROTO_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fmt {
	char *start, *p, *end;	/* end: one behind the last byte */
	bool cut;
};

/* Write into size bytes at buf. */
static inline void
fmt_init(struct fmt *f, void *buf, size_t size)
{
	f->start = f->p = buf;
	f->end = f->p + size;
	f->cut = false;
}

/* Bytes written. */
static inline uint32_t
fmt_len(const struct fmt *f)
{
	return (uint32_t)(f->p - f->start);
}

/* Whether something did not fit. */
static inline bool
fmt_cut(const struct fmt *f)
{
	return f->cut;
}

/* Append n bytes. */
static inline void
fmt_mem(struct fmt *f, const void *s, size_t n)
{
	if (__builtin_expect((size_t)(f->end - f->p) < n, 0)) {
		n = (size_t)(f->end - f->p);
		f->cut = true;
	}
	memcpy(f->p, s, n);
	f->p += n;
}

/* Append a string. */
static inline void
fmt_str(struct fmt *f, const char *s)
{
	fmt_mem(f, s, strlen(s));
}

/* Append a decimal number; of at least width characters, blanks before it. */
void	fmt_u64(struct fmt *f, uint64_t v);
void	fmt_u64w(struct fmt *f, uint64_t v, uint32_t width);

/* Append v / 10^digits as a decimal fraction, right-aligned in width. */
void	fmt_fix(struct fmt *f, uint64_t v, uint32_t digits, uint32_t width);

/* Append a string left-aligned in width. */
void	fmt_strw(struct fmt *f, const char *s, uint32_t width);

/* Append exactly digits lower-case hexadecimal digits of v. */
void	fmt_hex(struct fmt *f, uint64_t v, uint32_t digits);

/* End with NUL (the last byte of a full buffer gives way); the string. */
const char *fmt_end(struct fmt *f);

#endif
