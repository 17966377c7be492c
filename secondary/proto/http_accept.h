/*
 * http_accept: content codings (RFC 9110, 12.5.3).
 */
#ifndef PROTO_HTTP_ACCEPT_H
#define PROTO_HTTP_ACCEPT_H

#include "http_req.h"

#define CODING_GZIP	0x1u
#define CODING_BR	0x2u

/*
 * Which of the codings in `there` (CODING_*) the client wants most: that bit,
 * or 0: the content as it is. Of equal weights br is taken before gzip, and
 * both before none. Without the field, and for a client that accepts nothing
 * of what there is, it is 0.
 */
uint32_t http_coding(const struct http_req *r, uint32_t there);

#endif
