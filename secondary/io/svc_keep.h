/*
 * svc_keep: members of svc_io that a service uses at its start, and for
 * files; arg is struct io. svc.h says what they do.
 */
#ifndef IO_SVC_KEEP_H
#define IO_SVC_KEEP_H

#include "io.h"

/* Files of out/, which is the workers' own: svc_io.keep's name, slot. */
#define SVC_KEEP	"keep-%s-%u"
/* svc_io.share's name, group, slot. */
#define SVC_SHARE	"share-%s-%u-%u"

uint64_t svc_ns(void *arg);
void	*svc_keep(void *arg, const char *name, size_t len, bool *old);
void	*svc_share(void *arg, const char *name, uint32_t slot, size_t len);
void	svc_wake(void *arg);
const void *svc_file(void *arg, const char *path, size_t *len);
int	svc_save_open(void *arg, const char *dir);
bool	svc_save_piece(void *arg, const struct svc_save *piece);
bool	svc_saved(void *arg, uint64_t *whole, uint64_t *failed);

#endif
