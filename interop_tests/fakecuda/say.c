/* say.c: lines of the log; the clock and random numbers. */
#include "fakecuda.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Logs a line with one write, so that lines of several processes do not mix. */
static void line(const char *mark, const char *format, va_list v) {
	char text[512];
	int n = snprintf(text, sizeof text, "fakecuda[%d] %s", getpid(), mark);
	n += vsnprintf(text + n, sizeof text - (size_t)n - 1, format, v);
	if (n > (int)sizeof text - 2) n = (int)sizeof text - 2;
	text[n++] = '\n';
	const char *log = getenv("FAKECUDA_LOG");
	int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : 2;
	if (fd < 0) return;
	ssize_t written = write(fd, text, (size_t)n);
	(void)written;
	if (log) close(fd);
}

void say(const char *format, ...) {
	va_list v;
	va_start(v, format);
	line("", format, v);
	va_end(v);
}

/* Logs a use of the driver that is undefined behaviour. */
void undefined(const char *format, ...) {
	va_list v;
	va_start(v, format);
	line("UB: ", format, v);
	va_end(v);
	count("undefined", 1);
	if (config.abort) abort();
}

int64_t now_us(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void nap(long us) {
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&t, NULL);
}

/* Returns the next number of a xorshift generator. */
uint64_t next_random(uint64_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
