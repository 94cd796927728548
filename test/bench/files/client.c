/*
 * One kind of file operation over and over, by several processes at once.
 *
 * client open|pread|stat|readdir|write PATH PROCESSES MILLISECONDS SERVER
 * Writes: operations, and nanoseconds: on the wall, of CPU of the processes, of
 * CPU of the process SERVER (0: the kernel serves itself). `write` writes what
 * the file says back.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static char text[4096];
static ssize_t length;
static int file;

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static void open_read_close(void)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, buf, sizeof buf) < 0)
		die(path);
	close(fd);
}

static void pread_only(void)
{
	char buf[4096];

	if (pread(file, buf, sizeof buf, 0) < 0)
		die(path);
}

static void stat_only(void)
{
	struct stat st;

	if (stat(path, &st))
		die(path);
}

static void list(void)
{
	DIR *dir = opendir(path);

	if (!dir)
		die(path);
	while (readdir(dir))
		;
	closedir(dir);
}

static void write_only(void)
{
	if (pwrite(file, text, length, 0) < 0)
		die(path);
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		die("clock_gettime");
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static uint64_t now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		void (*run)(void);
		int flags;
	} kinds[] = {
		{ "open", open_read_close, -1 }, { "pread", pread_only, O_RDONLY }, { "stat", stat_only, -1 },
		{ "readdir", list, -1 },         { "write", write_only, O_WRONLY },
	};
	unsigned kind = 0;
	int processes, fd, status, failed = 0;
	uint64_t milliseconds, start, wall, server_cpu = 0, total = 0, cpu = 0;
	struct { uint64_t operations, cpu; } *done;
	clockid_t server = CLOCK_MONOTONIC;
	const struct timespec moment = { 0, 2000000 };

	if (argc != 6)
		return 2;
	if (atoi(argv[5]) && clock_getcpuclockid(atoi(argv[5]), &server))
		die("server");
	while (kind < sizeof kinds / sizeof *kinds && strcmp(kinds[kind].name, argv[1]))
		kind++;
	if (kind == sizeof kinds / sizeof *kinds)
		return 2;
	path = argv[2];
	processes = atoi(argv[3]);
	milliseconds = strtoull(argv[4], NULL, 10);
	if (kinds[kind].flags == O_WRONLY) {
		fd = open(path, O_RDONLY);
		length = fd < 0 ? -1 : read(fd, text, sizeof text);
		if (length < 0)
			die(path);
		close(fd);
	}
	done = mmap(NULL, processes * sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (done == MAP_FAILED)
		die("mmap");
	start = now() + 5000000;
	for (int n = 0; n < processes; n++) {
		if (fork() == 0) {
			uint64_t count = 0, begin, end = start + milliseconds * 1000000;

			if (kinds[kind].flags >= 0 && (file = open(path, kinds[kind].flags)) < 0)
				die(path);
			while (now() < start)
				nanosleep(&moment, NULL);
			begin = read_clock(CLOCK_PROCESS_CPUTIME_ID);
			do {
				kinds[kind].run();
				count++;
			} while (now() < end);
			done[n].operations = count;
			done[n].cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - begin;
			_exit(0);
		}
	}
	while (now() < start)
		nanosleep(&moment, NULL);
	if (server != CLOCK_MONOTONIC)
		server_cpu = read_clock(server);
	while (wait(&status) > 0)
		failed |= status;
	if (failed)
		return 1;
	wall = now() - start;
	if (server != CLOCK_MONOTONIC)
		server_cpu = read_clock(server) - server_cpu;
	for (int n = 0; n < processes; n++) {
		total += done[n].operations;
		cpu += done[n].cpu;
	}
	printf("%llu %llu %llu %llu\n", (unsigned long long)total, (unsigned long long)wall, (unsigned long long)cpu,
	       (unsigned long long)server_cpu);
	return 0;
}
