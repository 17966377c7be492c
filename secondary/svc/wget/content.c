/*
 * content: what came, compared with what should come, and saved.
 */
#include <errno.h>
#include <sha2.h>

#include "wget_priv.h"

/* ---- SHA-256, kept in the record between two pieces ---- */

static void
sha_load(SHA2_CTX *ctx, const struct wget_state *st)
{
	SHA256Init(ctx);
	if (!(st->flags & WF_HASHED))
		return;
	memcpy(ctx->state.st32, st->sha.h, sizeof(st->sha.h));
	ctx->bitcount[0] = st->sha.bits;
	memcpy(ctx->buffer, st->sha.block, sizeof(st->sha.block));
}

static void
sha_add(struct wget_state *st, const uint8_t *p, uint32_t n)
{
	SHA2_CTX ctx;

	sha_load(&ctx, st);
	SHA256Update(&ctx, p, n);
	memcpy(st->sha.h, ctx.state.st32, sizeof(st->sha.h));
	st->sha.bits = ctx.bitcount[0];
	memcpy(st->sha.block, ctx.buffer, sizeof(st->sha.block));
	st->flags |= WF_HASHED;
}

static bool
sha_right(struct wget_state *st, const uint8_t want[32])
{
	uint8_t got[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	sha_load(&ctx, st);
	SHA256Final(got, &ctx);
	return memcmp(got, want, sizeof(got)) == 0;
}

/* 64 hexadecimal digits. */
static bool
sha_parse(const char *s, uint8_t out[32])
{
	uint32_t i;
	int v;
	char c;

	for (i = 0; i < 64; i++) {
		c = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] | 0x20) : s[i];
		if (c >= '0' && c <= '9')
			v = c - '0';
		else if (c >= 'a' && c <= 'f')
			v = c - 'a' + 10;
		else
			return false;
		out[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : out[i / 2] | v);
	}
	return s[64] == '\0';
}

/* ---- names of files ---- */

/* The last part of the path, of letters that harm no file system. */
static void
base_name(struct wget_priv *p, const char *path)
{
	const char *s = path, *end = path + strcspn(path, "?");
	uint32_t n = 0;
	bool plain;

	for (; path < end; path++) {
		if (*path == '/')
			s = path + 1;
	}
	for (; s < end && n < WGET_BASE - 1; s++, n++) {
		plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		    (*s >= '0' && *s <= '9') || *s == '-' || *s == '_' ||
		    (*s == '.' && n > 0);
		p->base[n] = plain ? *s : '_';
	}
	p->base[n] = '\0';
	if (n == 0)
		memcpy(p->base, "index", 6);
}

/* The name of the file for the response in hand. */
static void
file_name(const struct wgx *x, char *buf, size_t len)
{
	struct fmt f;

	fmt_init(&f, buf, len);
	fmt_str(&f, x->p->base);
	if (x->conf->flows != 1 || x->conf->keep_alive != 1) {
		fmt_str(&f, ".");
		fmt_u64(&f, x->st->flow);
	}
	if (x->conf->keep_alive != 1) {
		fmt_str(&f, ".");
		fmt_u64(&f, x->st->got + 1);
	}
	fmt_end(&f);
}

/* Hand a piece to the one who writes files. */
static bool
save(struct wgx *x, uint64_t at, const void *data, uint32_t n,
    enum svc_save_end end)
{
	char name[WGET_BASE + 48];
	struct svc_save piece = {
		.name = name, .at = at, .data = data, .len = n, .end = end,
	};

	file_name(x, name, sizeof(name));
	return x->s->io->save(x->s->ioarg, &piece);
}

/* ---- the interface ---- */

int
wget_content_start(struct svc *s, const char *path, const char **why)
{
	struct wget_priv *p = s->priv;
	const struct wget_conf *conf = p->conf;
	int err;

	if (conf->verify[0] != '\0') {
		p->hashes = sha_parse(conf->verify, p->want_sha);
		if (!p->hashes) {
			p->want = s->io->file == NULL ? NULL :
			    s->io->file(s->ioarg, conf->verify, &p->want_len);
			*why = "verify: the file cannot be read";
			if (p->want == NULL)
				return -EINVAL;
		}
	}
	if (conf->save[0] != '\0') {
		base_name(p, path);
		err = s->io->save_open == NULL ? -ENOTSUP :
		    s->io->save_open(s->ioarg, conf->save);
		*why = "save: files cannot be written to this directory";
		if (err < 0)
			return err;
		p->saves = true;
	}
	p->looks = p->hashes || p->want != NULL || p->saves;
	return 0;
}

bool
wget_content(struct wgx *x, uint64_t at, const uint8_t *data, uint32_t n)
{
	const struct wget_priv *p = x->p;
	struct wget_state *st = x->st;

	if (st->resp.status >= 400)
		return true;
	if (p->saves && !save(x, at, data, n, SVC_SAVE_MORE))
		return false;
	if (p->hashes)
		sha_add(st, data, n);
	if (p->want != NULL && (at + n > p->want_len ||
	    memcmp(p->want + at, data, n) != 0))
		st->flags |= WF_WRONG;
	return true;
}

bool
wget_content_end(struct wgx *x)
{
	const struct wget_priv *p = x->p;
	struct wget_state *st = x->st;
	bool right;

	if (st->resp.status >= 400)
		return true;
	if (p->saves && x->conf->method != WGET_M_HEAD &&
	    !save(x, st->resp.body, NULL, 0, SVC_SAVE_WHOLE))
		return false;
	right = !(st->flags & WF_WRONG);
	if (p->hashes)
		right = sha_right(st, p->want_sha);
	else if (p->want != NULL && st->resp.body != p->want_len)
		right = false;
	st->flags &= ~(WF_WRONG | WF_HASHED);
	if (!p->hashes && p->want == NULL)
		return true;
	if (right)
		x->t->sum.verified++;
	else
		x->t->sum.errors[LOAD_WRONG_CONTENT]++;
	return true;
}

void
wget_content_drop(struct wgx *x)
{
	if (x->st->got < x->st->sent && x->st->resp.phase != RESP_HEAD)
		save(x, 0, NULL, 0, SVC_SAVE_DROP);
}
