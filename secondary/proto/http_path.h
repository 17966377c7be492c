/*
 * http_path: from a request target's path to a name in the document root.
 */
#ifndef PROTO_HTTP_PATH_H
#define PROTO_HTTP_PATH_H

#include <stdint.h>

#include "fmt.h"

/*
 * Decode and normalise the n bytes of an absolute path (it begins with '/')
 * into dst, which has room for n bytes. Percent-encoding is decoded once;
 * then "." and ".." segments are resolved (RFC 3986, 5.2.4) and runs of
 * slashes are one. A backslash is a character like any other. Returns the
 * number of bytes, at least 1; -1: broken percent-encoding, a control
 * character, overlong UTF-8, or a ".." that climbs above the root.
 */
int	http_path(char *dst, const char *src, uint32_t n);

/*
 * Append a normalised path as it must be sent in a header: whatever is not
 * an unreserved character or '/' is percent-encoded, so that no bytes from a
 * peer or a file name end the line.
 */
void	http_path_encode(struct fmt *f, const char *path, uint32_t n);

#endif
