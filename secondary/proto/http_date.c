#include <string.h>

#include "http_date.h"

static const char days[7][10] = {
	"Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday",
	"Wednesday"	/* 1970 began on a Thursday */
};

static const char months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

struct date {
	int64_t year;
	uint32_t month, day;	/* 1 .. */
	uint32_t hour, min, sec;
};

/*
 * Days from 1970-01-01. Years are counted from March, so that the leap day is
 * the last of its year; eras of 400 years have 146,097 days.
 */
static int64_t
days_from(int64_t year, uint32_t month, uint32_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, era, yoe, doy;

	era = y / 400;		/* years are not negative here */
	yoe = y - era * 400;
	doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 +
	    (int64_t)day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* The inverse of days_from(). */
static void
civil_from(int64_t z, struct date *d)
{
	int64_t era, doe, yoe, doy, mp;

	z += 719468;
	era = z / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	d->day = (uint32_t)(doy - (153 * mp + 2) / 5 + 1);
	d->month = (uint32_t)(mp < 10 ? mp + 3 : mp - 9);
	d->year = yoe + era * 400 + (d->month <= 2);
}

static void
two(char *p, uint32_t v)
{
	p[0] = (char)('0' + v / 10 % 10);
	p[1] = (char)('0' + v % 10);
}

void
http_date_print(char *buf, int64_t t)
{
	const int64_t last = 253402300799;	/* end of the year 9999 */
	struct date d;
	uint32_t s;

	if (t < 0)
		t = 0;
	if (t > last)
		t = last;
	civil_from(t / 86400, &d);
	s = (uint32_t)(t % 86400);
	memcpy(buf, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN);
	memcpy(buf, days[t / 86400 % 7], 3);
	two(buf + 5, d.day);
	memcpy(buf + 8, months[d.month - 1], 3);
	two(buf + 12, (uint32_t)(d.year / 100));
	two(buf + 14, (uint32_t)(d.year % 100));
	two(buf + 17, s / 3600);
	two(buf + 20, s / 60 % 60);
	two(buf + 23, s % 60);
}

/*
 * Match text against a pattern: Y four digits, y two digits of a year, D, h,
 * m, s two digits, d a day with a blank for a zero, B a month's name; any
 * other character stands for itself.
 */
static int
match(const char *pat, const char *s, uint32_t n, struct date *d)
{
	uint32_t *to, len, v, i;
	const char *end = s + n;

	for (; *pat != '\0'; pat++, s += len) {
		len = *pat == 'Y' ? 4 : *pat == 'B' ? 3 :
		    strchr("yDdhms", *pat) != NULL ? 2 : 1;
		if ((uint32_t)(end - s) < len)
			return -1;
		if (*pat == 'B') {
			for (i = 0; i < 12 && memcmp(s, months[i], 3) != 0;)
				i++;
			if (i == 12)
				return -1;
			d->month = i + 1;
			continue;
		}
		if (len == 1) {
			if (*s != *pat)
				return -1;
			continue;
		}
		for (v = 0, i = 0; i < len; i++) {
			if (*pat == 'd' && i == 0 && s[0] == ' ')
				continue;
			if (s[i] < '0' || s[i] > '9')
				return -1;
			v = v * 10 + (uint32_t)(s[i] - '0');
		}
		to = *pat == 'h' ? &d->hour : *pat == 'm' ? &d->min :
		    *pat == 's' ? &d->sec : &d->day;
		if (*pat == 'Y' || *pat == 'y')
			d->year = v;
		else
			*to = v;
	}
	return s == end ? 0 : -1;
}

/* Whether such a day and second exist; a leap second counts. */
static int
real(const struct date *d)
{
	static const uint8_t len[12] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	uint32_t leap;

	leap = d->month == 2 && d->year % 4 == 0 &&
	    (d->year % 100 != 0 || d->year % 400 == 0);
	return d->day >= 1 && d->day <= len[d->month - 1] + leap &&
	    d->hour < 24 && d->min < 60 && d->sec <= 60;
}

int
http_date_parse(const char *s, uint32_t n, int64_t now, int64_t *t)
{
	struct date d = { .month = 1 }, today;
	uint32_t i, full;

	for (i = 0; i < 7; i++) {
		if (n > 9 && memcmp(s, days[i], 3) == 0)
			break;
	}
	if (i == 7)
		return -1;
	full = (uint32_t)strlen(days[i]);
	if (s[3] == ',') {
		if (match(" D B Y h:m:s GMT", s + 4, n - 4, &d) != 0)
			return -1;
	} else if (s[3] == ' ') {
		if (match(" B d h:m:s Y", s + 3, n - 3, &d) != 0)
			return -1;
	} else {
		if (n <= full || memcmp(s, days[i], full) != 0 ||
		    match(", D-B-y h:m:s GMT", s + full, n - full, &d) != 0)
			return -1;
		/* A year more than 50 years ahead is the past one with these
		 * digits (RFC 9110, 5.6.7). */
		civil_from(now < 0 ? 0 : now / 86400, &today);
		d.year += today.year / 100 * 100;
		if (d.year > today.year + 50)
			d.year -= 100;
	}
	if (!real(&d))
		return -1;
	*t = days_from(d.year, d.month, d.day) * 86400 +
	    (int64_t)(d.hour * 3600 + d.min * 60 + d.sec);
	return 0;
}
