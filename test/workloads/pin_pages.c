/*
 * pin_pages WAY N MS [touched|pinned]: a hugetlb memfd of N hugepages, the last of which
 * somebody holds a reference on for MS milliseconds after the file is gone. WAY is
 * vmsplice (a pipe), io_uring (a registered buffer), private (a pipe; the hugepages are
 * private to the mapping, and none is in the page cache of the file) or futexes (a pipe, while
 * another process does nothing but wake a futex in that hugepage). Prints `INO PID` when the hugepages
 * are there; where told so, it goes on only when a line comes on standard input, after the
 * hugepages were touched or after the last was pinned: tracing may begin in between.
 * Truth: one inode of hugetlbfs; N - 1 hugepages back at close, the last one at the end.
 * Prints the milliseconds from the one to the other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#define HUGEPAGE ((size_t)2 << 20)

static double ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void wait_for_line(void)
{
	while (getchar() != '\n' && !feof(stdin))
		;
}

/* A process that takes a reference for a moment, all the time. */
static pid_t wake_futexes(char *at)
{
	pid_t child = fork();

	while (child == 0)
		syscall(SYS_futex, at, FUTEX_WAKE, 1, NULL, NULL, 0);
	usleep(200000);
	return child;
}

/* Returns two descriptors whose closing lets go of the page. */
static void pin(const char *way, char *at, int held[2])
{
	struct iovec page = { at, 4096 };

	if (strcmp(way, "io_uring")) {
		if (pipe(held) || vmsplice(held[1], &page, 1, 0) != 4096) {
			perror("vmsplice");
			exit(1);
		}
	} else {
		struct io_uring_params params = { 0 };

		held[0] = (int)syscall(SYS_io_uring_setup, 4, &params);
		held[1] = -1;
		if (held[0] < 0) {
			perror("io_uring_setup");
			exit(77);
		}
		if (syscall(SYS_io_uring_register, held[0], IORING_REGISTER_BUFFERS, &page, 1)) {
			perror("io_uring_register");
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "vmsplice";
	size_t n = argc > 2 ? (size_t)atol(argv[2]) : 4;
	long hold = argc > 3 ? atol(argv[3]) : 5000;
	const char *when = argc > 4 ? argv[4] : "";
	struct stat st;
	int fd, held[2];
	pid_t child = 0;
	double closed;
	char *p;

	fd = memfd_create("pin", MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, (off_t)(n * HUGEPAGE)) || fstat(fd, &st)) {
		perror("memfd");
		return 1;
	}
	p = mmap(NULL, n * HUGEPAGE, PROT_READ | PROT_WRITE,
		 strcmp(way, "private") ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		((volatile char *)p)[i * HUGEPAGE] = 1;
	printf("%lu %d\n", (unsigned long)st.st_ino, getpid());
	fflush(stdout);
	if (!strcmp(when, "touched"))
		wait_for_line();
	if (!strcmp(way, "futexes"))
		child = wake_futexes(p + (n - 1) * HUGEPAGE);
	pin(way, p + (n - 1) * HUGEPAGE, held);
	if (!strcmp(when, "pinned"))
		wait_for_line();
	if (child > 0) {
		usleep(300000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	munmap(p, n * HUGEPAGE);
	close(fd);
	closed = ms();
	usleep((useconds_t)hold * 1000);
	close(held[0]);
	close(held[1]);
	printf("%.0f\n", ms() - closed);
	return 0;
}
