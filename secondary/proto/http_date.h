/*
 * http_date: dates of HTTP (RFC 9110, 5.6.7). Seconds since 1970, UTC.
 */
#ifndef PROTO_HTTP_DATE_H
#define PROTO_HTTP_DATE_H

#include <stdint.h>

#define HTTP_DATE_LEN	29u	/* bytes of an IMF-fixdate */

/*
 * Write t as IMF-fixdate, exactly HTTP_DATE_LEN bytes, no NUL. Times before
 * 1970 or after 9999 are written as the nearest that is allowed.
 */
void	http_date_print(char *buf, int64_t t);

/*
 * Read a date of n bytes in any of the three forms: IMF-fixdate, RFC 850,
 * asctime. now resolves the two-digit year of RFC 850. 0 and *t is set, or
 * -1: not a date.
 */
int	http_date_parse(const char *s, uint32_t n, int64_t now, int64_t *t);

#endif
