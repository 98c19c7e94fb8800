/*
 * alternate NAME MEASURE GOAL OURS THEIRS [ROUNDS]: one row of a benchmark.
 *
 * Runs the two commands in turn, the order swapped every round (11 of them), after one run of each that does not
 * count, and prints NAME, the medians of ours and theirs, ours/theirs, GOAL and ok, short or fail. MEASURE is
 *   wall      ms from before the spawn to after the wait
 *   cpu       ms of user and system time
 *   maxrss    KiB of peak resident memory, of the process that has most
 *   peaks     KiB of peak resident memory of all its processes together: a page that two have is one page
 *   syscalls  calls per line of output below its header, as strace -f -c counts them; once, they do not vary
 *   sample    ms of user and system time for one report more of a command that goes on reporting: its word N is
 *             FEW in one run and MANY in the next, the difference is divided by what they differ in. So neither
 *             the start nor the first look counts. Each value is a mean already: fewer rounds will do.
 *   gap, lost, work
 *             what the process that is looked at has noticed meanwhile, as it says itself: it answers a line on
 *             descriptor 3 with one on descriptor 4 (tests/fixtures/guest.c). ms of the longest gap between two looks
 *             at the clock; ms of all gaps above its threshold; ns for a unit of its work
 * GOAL is the largest ratio that is ok or, as `<=BOUND` with any text after it, the largest value of ours.
 * A command is split at blanks, without quoting; after `sh -c ` all the rest is one argument.
 *
 * Both run on one CPU together with this program, the one it starts on: no wake-up crosses CPUs and no
 * migration falls into a sample. A command with threads gains nothing from them here. With gap and lost it is the
 * first CPU, so that a target on another notices no more than what is done to it; with work they run where they may:
 * what they use of a CPU, the target has not.
 *
 * Exit status: 0 measured (short too), 1 a command failed, 2 usage.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ARGS 64
#define MAX_PROCESSES 64
#define FEW 2
#define MANY 6
#define MIN_ROUNDS (what == SAMPLE || what == WORK ? 3 : 10)
#define TO_TARGET 3
#define FROM_TARGET 4
#define MAX_ROUNDS 9999

#define warn(format, ...) fprintf(stderr, "alternate: " format "\n", ##__VA_ARGS__)
#define fail(status, ...) (warn(__VA_ARGS__), exit(status))

enum { WALL, CPU, MAXRSS, PEAKS, SYSCALLS, SAMPLE, GAP, LOST, WORK, MEASURES };
static const struct {
	const char *name;
	int places;
} measures[MEASURES] = { { "wall", 3 },	    { "cpu", 3 },    { "maxrss", 0 }, { "peaks", 0 }, { "syscalls", 2 },
			 { "sample", 3 }, { "gap", 3 }, { "lost", 3 },   { "work", 1 } };

struct command {
	const char *text;
	char path[4096];
	char *argv[MAX_ARGS + 1];
	char **reports; /* the word N, or NULL */
};

/* PATH is searched here, once: inside a sample the search would cost the command that stands later in it. */
static void command_init(struct command *c, const char *text)
{
	char *rest = strdup(text), *dirs = strdup(getenv("PATH") ?: "/usr/bin:/bin");
	int n = 0;

	while (rest != NULL && n < MAX_ARGS) {
		int shell = n >= 2 && strcmp(c->argv[n - 2], "sh") == 0 && strcmp(c->argv[n - 1], "-c") == 0;

		c->argv[n] = strsep(&rest, shell ? "" : " ");
		n += *c->argv[n] != '\0';
	}
	if (n == 0 || n == MAX_ARGS)
		fail(2, "`%s` has no word or too many", text);

	c->text = text;
	c->argv[n] = NULL;
	c->reports = NULL;
	for (int i = 1; i < n; i++)
		if (strcmp(c->argv[i], "N") == 0)
			c->reports = &c->argv[i];
	snprintf(c->path, sizeof c->path, "%s", c->argv[0]);
	while (strchr(c->argv[0], '/') == NULL && dirs != NULL) {
		snprintf(c->path, sizeof c->path, "%s/%s", strsep(&dirs, ":"), c->argv[0]);
		if (access(c->path, X_OK) == 0)
			break;
	}
}

/* posix_spawn is a vfork: its cost does not grow with us, but the child's peak memory begins at ours, 1.4 MiB. That
 * is what libc alone comes to, so only a static program can lie below it. */
static int run(const struct command *c, int out, int errors, double ret[MEASURES])
{
	posix_spawn_file_actions_t files;
	struct timespec start, end;
	struct rusage usage;
	int failed, status;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);

	clock_gettime(CLOCK_MONOTONIC, &start);
	failed = posix_spawn(&pid, c->path, &files, NULL, c->argv, environ);
	if (!failed)
		wait4(pid, &status, 0, &usage); /* no handlers here: no EINTR */
	clock_gettime(CLOCK_MONOTONIC, &end);
	posix_spawn_file_actions_destroy(&files);

	if (failed)
		return warn("cannot start `%s`: %s", c->text, strerror(failed)), -1;
	if (status != 0)
		return warn("`%s` ended by %s %d", c->text, WIFEXITED(status) ? "exit status" : "signal",
			     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)), -1;
	ret[WALL] = (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6;
	ret[CPU] = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
		   (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
	ret[MAXRSS] = usage.ru_maxrss;
	return 0;
}

struct pages {
	uint64_t *at; /* numbers of page frames */
	size_t n, cap;
};

/* Linux, Documentation/admin-guide/mm/pagemap.rst: bit 63 present, bits 0 to 54 the page frame. */
static void add_pages(pid_t pid, struct pages *p)
{
	const uint64_t present = 1ULL << 63, frame = (1ULL << 55) - 1, size = sysconf(_SC_PAGESIZE);
	char path[64], line[512];
	uint64_t from, to, some[512];

	snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	while (maps != NULL && fd >= 0 && fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) != 2 || strstr(line, "[vsyscall]"))
			continue;
		for (uint64_t page = from / size; page < to / size;) {
			size_t want = to / size - page < 512 ? to / size - page : 512;
			ssize_t got = pread(fd, some, want * 8, page * 8);
			if (got <= 0)
				break;
			for (ssize_t i = 0; i < got / 8; i++) {
				if (!(some[i] & present))
					continue;
				if ((some[i] & frame) == 0)
					fail(1, "page frames have no numbers here: not allowed to see them");
				if (p->n == p->cap)
					p->at = realloc(p->at, (p->cap = p->cap ? 2 * p->cap : 4096) * 8);
				p->at[p->n++] = some[i] & frame;
			}
			page += got / 8;
		}
	}
	if (maps != NULL)
		fclose(maps);
	close(fd);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double memory_now(const pid_t *pids, int n)
{
	static struct pages p;
	size_t different = 0;

	p.n = 0;
	for (int i = 0; i < n; i++)
		add_pages(pids[i], &p);
	qsort(p.at, p.n, sizeof *p.at, by_number);
	for (size_t i = 0; i < p.n; i++)
		different += i == 0 || p.at[i] != p.at[i - 1];
	return different * sysconf(_SC_PAGESIZE) / 1024.0;
}

/* Before memory is given back, and before a process is: there it has all that it gets until then. */
static int gives_back(pid_t pid)
{
	struct __ptrace_syscall_info call;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call) < 0 || call.op != PTRACE_SYSCALL_INFO_ENTRY)
		return 0;
	switch (call.entry.nr) {
	case SYS_munmap: case SYS_mremap: case SYS_brk: case SYS_madvise: case SYS_exit: case SYS_exit_group:
	case SYS_execve: case SYS_kill: case SYS_pidfd_send_signal: return 1;
	default: return 0;
	}
}

static int run_peaks(const struct command *c, int out, int errors, double ret[MEASURES])
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
			     PTRACE_O_EXITKILL;
	pid_t all[MAX_PROCESSES], first = fork(), pid;
	int n = 0, status, result = -1;

	if (first == 0) {
		dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(errors, STDERR_FILENO);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(c->path, c->argv);
		_exit(127);
	}
	ret[PEAKS] = 0;
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int i = 0, signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

		while (i < n && all[i] != pid)
			i++;
		if (!WIFSTOPPED(status)) {
			result = pid == first ? status : result;
			if (i < n)
				all[i] = all[--n];
			continue;
		}
		if (i == MAX_PROCESSES)
			fail(1, "`%s` has too many processes", c->text);
		if (i == n) {
			all[n++] = pid;
			if (pid == first)
				ptrace(PTRACE_SETOPTIONS, pid, NULL, options);
			signal = 0; /* its stop is how the kernel hands it over */
		}
		if (signal == (SIGTRAP | 0x80) && gives_back(pid)) {
			double now = memory_now(all, n);
			ret[PEAKS] = now > ret[PEAKS] ? now : ret[PEAKS];
		}
		if (signal == (SIGTRAP | 0x80) || signal == SIGTRAP)
			signal = 0;
		ptrace(PTRACE_SYSCALL, pid, NULL, signal);
	}
	if (result != 0)
		return warn("`%s` did not end well: %x", c->text, result), -1;
	return 0;
}

static int run_traced(const struct command *c, double ret[MEASURES])
{
	FILE *output = tmpfile(), *counts = tmpfile();
	double lines = 0, calls = 0;
	struct command traced;
	char text[4096], line[256];

	if (output == NULL || counts == NULL)
		fail(1, "cannot make a temporary file: %m");
	snprintf(text, sizeof text, "strace -f -qq -c -U calls,name -o /proc/self/fd/%d -- %s", fileno(counts), c->text);
	command_init(&traced, text);
	if (run(&traced, fileno(output), STDERR_FILENO, ret) != 0)
		return -1;

	rewind(output); /* the offset is shared with the writer */
	for (int byte; (byte = getc(output)) != EOF;)
		lines += byte == '\n';
	while (fgets(line, sizeof line, counts))
		if (strstr(line, " total"))
			calls = atof(line);
	if (lines < 2 || calls == 0)
		return warn("`%s` printed %.0f lines in %.0f calls", text, lines, calls), -1;
	ret[SYSCALLS] = calls / (lines - 1);
	return 0;
}

static int run_reports(const struct command *c, int n, int out, int errors, double ret[MEASURES])
{
	char count[16];

	snprintf(count, sizeof count, "%d", n);
	*c->reports = count;
	return run(c, out, errors, ret);
}

static int run_sampling(const struct command *c, int out, double ret[MEASURES])
{
	double few[MEASURES];

	if (run_reports(c, FEW, out, out, few) != 0 || run_reports(c, MANY, out, out, ret) != 0)
		return -1;
	ret[SAMPLE] = (ret[CPU] - few[CPU]) / (MANY - FEW);
	return 0;
}

/* The number NAME=NUMBER of the target's answer. */
static double noticed(const char *answer, const char *name)
{
	for (const char *at = answer; (at = strstr(at, name)) != NULL; at++)
		if ((at == answer || at[-1] == ' ') && at[strlen(name)] == '=')
			return atof(at + strlen(name) + 1);
	fail(1, "the target answered `%s`, without %s", answer, name);
}

static void ask_target(char *answer, size_t size)
{
	size_t n = 0;

	if (write(TO_TARGET, "\n", 1) != 1)
		fail(1, "cannot ask the target: %m");
	do {
		if (n + 1 == size || read(FROM_TARGET, answer + n, 1) != 1)
			fail(1, "no answer from the target");
	} while (answer[n++] != '\n');
	answer[n - 1] = '\0';
}

static int run_noticed(const struct command *c, int what, int out, double ret[MEASURES])
{
	char answer[1024];

	ask_target(answer, sizeof answer); /* what was before */
	if (run(c, out, out, ret) != 0)
		return -1;
	ask_target(answer, sizeof answer);
	if (what == WORK) {
		if (noticed(answer, "work") == 0)
			return warn("the target did no work"), -1;
		ret[WORK] = noticed(answer, "ns") / noticed(answer, "work");
	} else {
		ret[what] = noticed(answer, what == GAP ? "longest" : "lost") / 1e6;
	}
	return 0;
}

static int by_value(const void *x, const void *y)
{
	const double *a = x, *b = y;
	return (*a > *b) - (*a < *b);
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof *v, by_value);
	return (v[(n - 1) / 2] + v[n / 2]) / 2;
}

static int measure(const struct command c[2], int what, int rounds, double ret[2])
{
	static double values[2][MAX_ROUNDS];
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	double got[MEASURES];

	/* The warm-up keeps its stderr, for a command that fails to say why. */
	for (int i = 0; i < 2; i++)
		if ((what == SAMPLE ? run_reports(&c[i], FEW, null, STDERR_FILENO, got)
				    : run(&c[i], null, STDERR_FILENO, got)) != 0)
			return -1;
	if (what == SYSCALLS)
		rounds = 1;
	for (int i = 0; i < 2 * rounds; i++) {
		int who = (i ^ i / 2) & 1; /* 0 1, 1 0, 0 1 … */

		if ((what == SYSCALLS ? run_traced(&c[who], got)
		     : what == PEAKS  ? run_peaks(&c[who], null, null, got)
		     : what == SAMPLE ? run_sampling(&c[who], null, got)
		     : what >= GAP    ? run_noticed(&c[who], what, null, got)
				      : run(&c[who], null, null, got)) != 0)
			return -1;
		values[who][i / 2] = got[what];
	}
	ret[0] = median(values[0], rounds);
	ret[1] = median(values[1], rounds);
	return ret[1] > 0 ? 0 : (warn("`%s` is too short to measure", c[1].text), -1);
}

int main(int argc, char **argv)
{
	int rounds = argc == 7 ? atoi(argv[6]) : 11, what = 0;
	struct command c[2];
	double value[2];
	cpu_set_t cpu;

	while (argc > 2 && what < MEASURES && strcmp(measures[what].name, argv[2]) != 0)
		what++;
	if (argc < 6 || argc > 7 || what == MEASURES || rounds < MIN_ROUNDS || rounds > MAX_ROUNDS)
		fail(2, "usage: alternate NAME MEASURE GOAL OURS THEIRS [ROUNDS]");

	int bounded = strncmp(argv[3], "<=", 2) == 0;
	char *end, *number = argv[3] + 2 * bounded;
	double goal = strtod(number, &end);
	if (end == number || (*end != '\0' && !bounded))
		fail(2, "`%s` is no goal", argv[3]);
	for (int i = 0; i < 2; i++) {
		command_init(&c[i], argv[4 + i]);
		if ((what == SAMPLE) != (c[i].reports != NULL))
			fail(2, "`%s`: the word N goes with the measure sample", argv[4 + i]);
	}

	int on = sched_getcpu();
	if (what >= GAP) {
		fcntl(TO_TARGET, F_SETFD, FD_CLOEXEC);
		fcntl(FROM_TARGET, F_SETFD, FD_CLOEXEC);
		sched_getaffinity(0, sizeof cpu, &cpu);
		for (on = 0; on < CPU_SETSIZE - 1 && !CPU_ISSET(on, &cpu); on++)
			;
	}
	CPU_ZERO(&cpu);
	CPU_SET(on, &cpu);
	if (what != WORK)
		sched_setaffinity(0, sizeof cpu, &cpu);

	if (measure(c, what, rounds, value) != 0) {
		printf("%s\t-\t-\t-\t%s\tfail\n", argv[1], argv[3]);
		return 1;
	}
	double ratio = value[0] / value[1];
	printf("%s\t%.*f\t%.*f\t%.3f\t%s\t%s\n", argv[1], measures[what].places, value[0], measures[what].places,
	       value[1], ratio, argv[3], (bounded ? value[0] : ratio) <= goal ? "ok" : "short");
	return fflush(stdout) != 0;
}
