/*
 * trust: paths of programs. What a worker says of itself on the board is the
 * word of a process without rights, and may be another's who wrote over it:
 * whoever has rights looks before it opens or runs what stands there.
 */
#ifndef STARFISH_TRUST_H
#define STARFISH_TRUST_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Open a program file for reading. Never waits, and takes a regular file
 * only (-EINVAL: a device, a FIFO, a relative path), by its own name (-ELOOP:
 * a link), that belongs to root, to the caller, or to whom the calling
 * program belongs, and that not everybody may write to (-EPERM). A
 * descriptor that the caller closes, or -errno.
 */
int	trust_open(const char *path);

/*
 * The program that a living process runs, as the kernel knows it: a descriptor
 * of its file (O_PATH), which the name in buf may not lead to any more. -errno:
 * as trust_open(), or there is no such process.
 */
int	trust_program(pid_t pid, char *buf, size_t len);

#endif
