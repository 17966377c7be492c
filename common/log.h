/*
 * log: lines on stderr, for a person or the journal:
 *
 *	2026-03-01 12:00:00.123 starfish-primary[lab]: warning: text
 *
 * One write per line, so that lines of several processes do not mix. Rare by
 * rule: the data path counts instead of logging.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,	/* it does not work */
	LOG_LEVEL_WARN,		/* it works, but look at it */
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/*
 * Say who logs; both names are copied. Lines above level are left out. Once,
 * at the start, before other threads run; without it lines carry no name.
 */
void	log_init(const char *program, const char *instance,
	    enum log_level level);

/* Write one line; a newline at its end is optional, longer text is cut at
 * about 1,000 bytes. Keeps errno. Any thread. */
void	log_line(enum log_level level, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#define log_error(...)	log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)	log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
