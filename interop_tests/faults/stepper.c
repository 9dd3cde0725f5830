/* stepper.c: stepper SEGMENT K mark|lock PROGRAM ARG..
 *
 * Runs PROGRAM, which says by SIGTRAP where an operation begins and where it ends, one
 * instruction at a time in between, and kills it after the K-th instruction that changed a
 * byte of the file SEGMENT; with K = 0 at the first one. Between two changes all instants
 * look alike to the other processes, so all K together are all instants there are. With
 * "lock" the steps begin where the operation has taken its first lock, before which it
 * changes nothing: a Go runtime that is stepped for long does little else than schedule.
 *
 * Exits with 0 when it has killed, 1 when the operation had fewer changes, 2 when it went wrong. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLED, FINISHED, WRONG };

static const unsigned char *segment;
static unsigned char *before;
static size_t size;

static bool changed(void) {
	if (!memcmp(segment, before, size)) return false;
	memcpy(before, segment, size);
	return true;
}

static void map(const char *path) {
	struct stat s;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s)) {
		perror(path);
		exit(WRONG);
	}
	size = (size_t)s.st_size;
	segment = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	before = malloc(size);
}

/* Waits for the child's next stop. Returns the signal, or 0 when it has ended. */
static int stopped(pid_t child) {
	int status;
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 0;
	return WSTOPSIG(status);
}

/* Reports whether a signal is a SIGTRAP that the program sent itself, not the end of a step. */
static bool marks(pid_t child, int sig) {
	siginfo_t info;
	return sig == SIGTRAP && !ptrace(PTRACE_GETSIGINFO, child, NULL, &info) &&
		info.si_code == SI_TKILL;
}

/* Runs the child past its first F_OFD_SETLK. Returns false when it has ended. */
static bool to_lock(pid_t child) {
	struct user_regs_struct r;
	for (;;) {
		ptrace(PTRACE_SYSCALL, child, NULL, 0);
		if (!stopped(child) || ptrace(PTRACE_GETREGS, child, NULL, &r)) return false;
		if (r.orig_rax != SYS_fcntl || r.rsi != F_OFD_SETLK) continue;
		ptrace(PTRACE_SYSCALL, child, NULL, 0); /* The first stop was its entry. */
		return stopped(child) != 0;
	}
}

int main(int argc, char **argv) {
	if (argc < 5) return fprintf(stderr, "stepper SEGMENT K mark|lock PROGRAM ARG..\n"), WRONG;
	long left = strtol(argv[2], NULL, 10);
	map(argv[1]);
	pid_t child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[4], argv + 4);
		_exit(127);
	}
	int sig = stopped(child), pass = 0;
	for (;; sig = stopped(child)) { /* Runs to the first mark. */
		if (!sig) return WRONG;
		if (marks(child, sig)) break;
		pass = sig == SIGTRAP ? 0 : sig;
		ptrace(PTRACE_CONT, child, NULL, pass);
	}
	memcpy(before, segment, size);
	if (!strcmp(argv[3], "lock") && !to_lock(child)) return WRONG;
	for (pass = 0; left > 0; left -= changed()) {
		ptrace(PTRACE_SINGLESTEP, child, NULL, pass);
		if (!(sig = stopped(child))) return WRONG;
		pass = sig == SIGTRAP ? 0 : sig;
		if (!marks(child, sig)) continue;
		ptrace(PTRACE_DETACH, child, NULL, 0);
		waitpid(child, NULL, 0);
		return FINISHED;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return KILLED;
}
