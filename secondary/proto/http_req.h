/*
 * http_req: an HTTP/1.x request head, parsed once when it is whole.
 *
 * Nothing of a parse outlives the call: a connection remembers only how far
 * the end of the head was searched for (http_head_end), and the head itself
 * stays unread in the receive queue until its response is queued.
 *
 * http_fast() takes plain requests in one pass; whatever is unusual in any
 * way it leaves to http_req_parse(), which is strict line by line and lets
 * llhttp judge the same bytes: a head is accepted only when both agree, so
 * that what smuggles a request past one of them fails at the other. For every
 * head that http_fast() takes the two give the same result.
 */
#ifndef PROTO_HTTP_REQ_H
#define PROTO_HTTP_REQ_H

#include <stdbool.h>
#include <stdint.h>

enum http_method_id {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_OPTIONS,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_PATCH,
	METHOD_CONNECT,
	METHOD_TRACE,
	METHOD_OTHER,		/* a token that is none of these */
};

/* Header fields that mean something to the parser or its caller. */
enum http_field {
	FIELD_HOST,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_EXPECT,
	FIELD_CONTENT_TYPE,
	FIELD_RANGE,
	FIELD_IF_RANGE,
	FIELD_IF_MATCH,
	FIELD_IF_NONE_MATCH,
	FIELD_IF_MODIFIED_SINCE,
	FIELD_IF_UNMODIFIED_SINCE,
	FIELD_ACCEPT_ENCODING,
	FIELDS,			/* also: any other field */
};

/* Bytes of the head, in the memory that was parsed. */
struct http_slice {
	const char *p;
	uint32_t n;
};

/* struct http_req.flags */
#define REQ_KEEPALIVE	0x01u	/* the connection may go on */
#define REQ_LENGTH	0x02u	/* there is a Content-Length */
#define REQ_CHUNKED	0x04u	/* the body is chunked */
#define REQ_CONTINUE	0x08u	/* Expect: 100-continue */
#define REQ_SIMPLE	0x10u	/* path is in normal form already */
#define REQ_STAR	0x20u	/* the target is "*" */
#define REQ_CLOSE	0x40u	/* Connection: close was said */
#define REQ_PERSIST	0x80u	/* Connection: keep-alive was said */

struct http_req {
	uint8_t method;		/* enum http_method_id */
	uint8_t minor;		/* HTTP/1.minor: 0, or 1 for 1 and above */
	uint16_t flags;		/* REQ_* */
	uint32_t head_len;	/* bytes, with the blank line */
	uint32_t have, twice;	/* bit f: enum http_field f came, came again */
	uint64_t length;	/* Content-Length, if REQ_LENGTH */
	struct http_slice path;	/* starts with '/'; encoded; empty for "*" */
	struct http_slice query; /* what follows '?', which is at p[-1]; p is
				    NULL without one */
	struct http_slice field[FIELDS]; /* first value, valid if in have;
				    HOST: of the target, if it has one */
	struct http_slice authority; /* of an absolute-form target; of meaning
				    only while it is parsed */
	struct http_slice fields; /* all lines of fields, each with CRLF */
};

struct http_limits {
	uint32_t uri;		/* bytes of a target; above: 414 */
	uint32_t fields;	/* lines; above: 431 */
};

/*
 * Find the end of a head in n bytes from a request's first on, of which the
 * first `from` were searched before. Returns its length with the blank line;
 * 0: not there. A blank line ends it however lines end, so that a head with
 * bare LFs is answered and not waited for.
 */
uint32_t http_head_end(const char *p, uint32_t n, uint32_t from);

/*
 * Parse a request at p if it is plain and its head is whole in n bytes.
 * Returns the head's length; 0: undecided, r is of no meaning.
 */
uint32_t http_fast(struct http_req *r, const char *p, uint32_t n,
	    const struct http_limits *limits);

/*
 * Parse a whole head of n bytes, as http_head_end() found it. 0, or the
 * status that answers it: 400, 414, 417, 431, 501, 505; the connection must
 * be closed after it, for the length of a body is not known. r->method and
 * r->minor are valid even then, if the request line was.
 */
int	http_req_parse(struct http_req *r, const char *p, uint32_t n,
	    const struct http_limits *limits);

/*
 * The next value of a field that may come several times: *at is 0 at first.
 * false: there are no more.
 */
bool	http_field_next(const struct http_req *r, enum http_field f,
	    uint32_t *at, struct http_slice *value);

/* Which field a name of n bytes is, in any letter case. */
enum http_field http_field_id(const char *name, uint32_t n);

/*
 * The next element of a comma-separated list, without blanks around it; empty
 * ones are skipped. *list is what is left. false: there are no more.
 */
bool	http_list_next(struct http_slice *list, struct http_slice *item);

/* Whether a slice is this lower-case word, in any letter case. */
bool	http_is(const struct http_slice *s, const char *word);

#endif
