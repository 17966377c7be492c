/*
 * resident: keeps a process in memory that sleeps for days and then is in a
 * hurry: a machine that is short of memory, or that reclaims what is idle,
 * would have to read it from the disk while clients wait.
 */
#ifndef COMMON_RESIDENT_H
#define COMMON_RESIDENT_H

/* Lock the program's code, and all pages that this process has touched or will
 * touch of its present mappings. Needs root; without, nothing happens. */
void	resident(void);

#endif
