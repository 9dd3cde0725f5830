/* count.c: count FILE LIBRARY PROGRAM ARG..
 *
 * Runs PROGRAM and writes to FILE, a line each, how many instructions its first thread
 * executed between a mark and the next one: a SIGWINCH that it sends itself. Only
 * instructions in the code of LIBRARY count, a part of the name of a mapped file, or all with
 * "-". It steps, which is exact and asks for no hardware counters: most virtual machines have
 * none. From the first mark on the other threads stand still, so that the count has no work of
 * a scheduler or a collector.
 *
 * A step of a string instruction is one repetition. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT = 77 }; /* The exit status where nothing can be traced. */

static pid_t child;
static uintptr_t from, to; /* The code that counts; to is 0 when all of it does. */

static _Noreturn void fail(const char *text, const char *name) {
	fprintf(stderr, "count: %s %s\n", text, name);
	exit(2);
}

static void find(const char *library) {
	char path[64], line[4096], mode[5];
	snprintf(path, sizeof path, "/proc/%d/maps", child);
	FILE *maps = fopen(path, "r");
	while (maps && fgets(line, sizeof line, maps))
		if (strstr(line, library) && sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
			mode[2] == 'x') {
			fclose(maps);
			return;
		}
	fail("at its first mark the program has no code mapped of", library);
}

/* Stops every thread but the first, for good. */
static void hold_others(void) {
	char path[64];
	int status;
	snprintf(path, sizeof path, "/proc/%d/task", child);
	DIR *threads = opendir(path);
	if (!threads) fail("cannot read", path);
	for (struct dirent *e; (e = readdir(threads));) {
		pid_t thread = atoi(e->d_name);
		if (!thread || thread == child) continue;
		syscall(SYS_tgkill, child, thread, SIGSTOP);
		while (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status) &&
			WSTOPSIG(status) != SIGSTOP)
			ptrace(PTRACE_CONT, thread, NULL, WSTOPSIG(status));
	}
	closedir(threads);
}

/* Runs the program to its next mark, counting or not. Returns false when it has ended. */
static bool to_mark(bool counting, uint64_t *count, int *status) {
	int pass = 0;
	pid_t thread = child;
	for (*count = 0;;) {
		if (thread == child || !counting)
			ptrace(counting ? PTRACE_SINGLESTEP : PTRACE_CONT, thread, NULL, pass);
		thread = waitpid(-1, status, __WALL);
		if (thread < 0) fail("lost", "the program");
		bool ended = !WIFSTOPPED(*status);
		if (thread == child && ended) return false;
		if (thread != child && (counting || ended)) continue;
		int sig = WSTOPSIG(*status);
		if (thread == child && sig == SIGWINCH) return true;
		bool traced = sig == SIGTRAP || (sig == SIGSTOP && thread != child);
		pass = traced ? 0 : sig; /* A signal of the tracing is not the program's. */
		uintptr_t at = counting && to ? (uintptr_t)ptrace(PTRACE_PEEKUSER, child,
											offsetof(struct user_regs_struct, rip), NULL)
									  : 0;
		*count += !to || (at >= from && at < to);
	}
}

int main(int argc, char **argv) {
	if (argc < 4) fail("usage:", "count FILE LIBRARY PROGRAM ARG..");
	FILE *out = fopen(argv[1], "w");
	if (!out) fail("cannot write", argv[1]);
	cpu_set_t core; /* Both run on one core: a step is two switches, and no wake-up. */
	CPU_ZERO(&core);
	CPU_SET(sched_getcpu(), &core);
	sched_setaffinity(0, sizeof core, &core);
	child = fork();
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(CANNOT);
		execv(argv[3], argv + 3);
		_exit(127);
	}
	int status;
	uint64_t count;
	if (waitpid(child, &status, 0) != child) fail("lost", argv[3]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		return fprintf(stderr, "count: tracing is forbidden here\n"), CANNOT;
	if (!WIFSTOPPED(status)) fail("cannot run", argv[3]);
	ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
	if (!to_mark(false, &count, &status)) fail("no mark from", argv[3]);
	if (strcmp(argv[2], "-")) find(argv[2]);
	hold_others();
	while (to_mark(true, &count, &status)) fprintf(out, "%lu\n", count);
	return fclose(out) || !WIFEXITED(status) ? 2 : WEXITSTATUS(status);
}
