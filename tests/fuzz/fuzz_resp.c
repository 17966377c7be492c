/*
 * fuzz_resp: HTTP responses as wget reads them.
 *
 * The first byte says in how large pieces the rest comes. A head is found and
 * parsed, remembered and compared with the next one; a body is taken in pieces
 * and at once: what is counted, and where the response ends, must be the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../../secondary/proto/http_req.h"
#include "../../secondary/proto/http_resp.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RESPONSES	16u

/* What a stream of responses comes to. */
struct sum {
	uint64_t used, body;
	uint32_t heads;
	uint16_t status;
	uint8_t phase;
	bool keep;
};

/* The body, in pieces of at most `piece` bytes; returns bytes used. */
static uint32_t
body(struct http_resp *r, const uint8_t *p, uint32_t n, uint32_t piece,
    bool content)
{
	uint32_t used = 0, took, k, at, len;

	while (used < n && r->phase != RESP_DONE && r->phase != RESP_BAD &&
	    r->phase != RESP_HEAD) {
		k = n - used < piece ? n - used : piece;
		if (content) {
			took = http_resp_piece(r, p + used, k, &at, &len);
			assert(len <= took && at <= took - len);
		} else {
			took = http_resp_body(r, p + used, k);
		}
		assert(took <= k);
		used += took;
		if (took == 0)
			break;
	}
	return used;
}

static struct sum
read_all(const uint8_t *p, uint32_t n, uint32_t piece, bool content, bool head)
{
	struct http_known known = { 0 };
	struct http_resp r = { 0 }, again;
	struct sum s = { .phase = RESP_HEAD };
	uint32_t end, len;

	while (s.heads < RESPONSES && s.used < n) {
		p += s.used;
		n -= (uint32_t)s.used;
		s.used = 0;
		end = http_head_end((const char *)p, n, 0);
		if (end == 0)
			break;
		memset(&again, 0, sizeof(again));
		len = http_known_head(&known, &again, (const char *)p, n, head);
		memset(&r, 0, sizeof(r));
		if (http_resp_head(&r, (const char *)p, end, head) < 0) {
			assert(r.phase == RESP_BAD && len == 0);
			break;
		}
		/* what is remembered is what would be parsed */
		if (len != 0)
			assert(len == end && again.status == r.status &&
			    again.phase == r.phase && again.left == r.left &&
			    again.keepalive == r.keepalive);
		http_known_keep(&known, &r, (const char *)p, end, head);
		s.heads++;
		s.status = r.status;
		s.used = end + body(&r, p + end, n - end, piece, content);
		s.body += r.body;
		s.phase = r.phase;
		s.keep = r.keepalive;
		if (r.phase != RESP_DONE && r.phase != RESP_HEAD)
			break;
	}
	s.used = n;
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, cut, content;
	uint32_t piece;

	if (size < 2 || size > 20000)
		return 0;
	piece = 1u + data[0] % 100;
	whole = read_all(data + 1, (uint32_t)size - 1, UINT32_MAX, false,
	    data[0] >= 200);
	cut = read_all(data + 1, (uint32_t)size - 1, piece, false,
	    data[0] >= 200);
	content = read_all(data + 1, (uint32_t)size - 1, piece, true,
	    data[0] >= 200);
	assert(whole.heads == cut.heads && whole.body == cut.body &&
	    whole.phase == cut.phase && whole.status == cut.status &&
	    whole.keep == cut.keep);
	assert(whole.heads == content.heads && whole.body == content.body &&
	    whole.phase == content.phase);
	return 0;
}
