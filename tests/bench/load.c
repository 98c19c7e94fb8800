/*
 * load N: keep N idle processes alive, for a benchmark to look at.
 *
 * Each is an ordinary process to a reader of /proc: a name of its own (load-00000 and up), an argument
 * vector of its own (load-00000 --of N), three open descriptors. `ready` is printed once all of them live.
 * They end when stdin reaches EOF or load ends, however it ends: exit 0, or 1 with one line on stderr.
 * After a SIGKILL of load they are dead as well, and it is for init to reap them.
 *
 * Not done: threads, memory, activity, different users.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define fail(status, format, ...) (fprintf(stderr, "load: " format "\n", ##__VA_ARGS__), exit(status))

#define NAME "load-00000"
#define DIGITS 5
#define MAX_PROCESSES 99999

/* The argument vector of every child is the copy it inherits, so it must have its final shape before the
 * first fork: load starts itself again with it. */
static _Noreturn void take_argv_of_child(char *of)
{
	char name[] = NAME, option[] = "--of", *argv[] = { name, option, of, NULL };

	execv("/proc/self/exe", argv);
	fail(1, "cannot start itself again: %m");
}

static _Noreturn void be_child(char *name, int index, pid_t parent, const sigset_t *mask, int null, int alive)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the line above */
		_exit(1);

	for (int i = DIGITS, rest = index; i > 0; i--, rest /= 10)
		name[strlen("load-") + i - 1] = '0' + rest % 10;
	prctl(PR_SET_NAME, name);

	/* An inherited stdout would keep a reader of ours waiting for EOF. */
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (write(alive, "", 1) != 1)
		_exit(1);
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0); /* musl has no function for it */
	sigprocmask(SIG_SETMASK, mask, NULL);
	for (;;)
		pause();
}

/* Not one of them is reaped before this, so no PID here can have become somebody else's. */
static void end_children(const pid_t *pids, int n)
{
	for (int i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

/* One byte comes from each child; EOF before the last means that one died. */
static int all_alive(int fd, int n)
{
	char bytes[4096];

	for (ssize_t got; n > 0; n -= got) {
		got = read(fd, bytes, sizeof bytes);
		if (got <= 0)
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	int is_second = argc == 3 && strcmp(argv[0], NAME) == 0; /* argv[0] has room for every name */
	char *count = is_second ? argv[2] : argc == 2 ? argv[1] : "";
	char *end;
	long n = strtol(count, &end, 10);

	if (end == count || *end != '\0' || n < 1 || n > MAX_PROCESSES)
		fail(2, "usage: load N (1 to %d)", MAX_PROCESSES);
	if (!is_second)
		take_argv_of_child(count);
	prctl(PR_SET_NAME, "load");

	struct rlimit limit;
	if (getrlimit(RLIMIT_NPROC, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NPROC, &limit);
	}

	sigset_t ends, mask;
	sigemptyset(&ends);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &mask);

	int alive[2];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int signals = signalfd(-1, &ends, SFD_CLOEXEC);
	pid_t *pids = calloc(n, sizeof *pids);
	if (null < 0 || signals < 0 || pids == NULL || pipe2(alive, O_CLOEXEC) != 0)
		fail(1, "cannot prepare: %m");

	pid_t self = getpid();
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			be_child(argv[0], i, self, &mask, null, alive[1]);
		if (pids[i] < 0) {
			int why = errno;
			end_children(pids, i);
			fail(1, "only %d of %ld processes could be started: %s (pid_max, threads-max, "
				"RLIMIT_NPROC or pids.max)", i, n, strerror(why));
		}
	}
	close(alive[1]);
	if (!all_alive(alive[0], n)) {
		end_children(pids, n);
		fail(1, "a process died before all of them lived");
	}
	close(alive[0]);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6) {
		end_children(pids, n);
		fail(1, "cannot write to stdout");
	}

	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	char ignored[4096];
	do {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
	} while (fds[1].revents == 0 &&
		 (fds[0].revents == 0 || read(STDIN_FILENO, ignored, sizeof ignored) > 0));
	end_children(pids, n);
	return 0;
}
