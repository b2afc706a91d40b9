/*
 * vmsplice_pin N MS: a hugetlb memfd of N hugepages, one of which a pipe holds for MS
 * milliseconds after the file is gone. Truth: one inode of hugetlbfs; N - 1 hugepages back
 * at close, the last one when the pipe is closed. Prints `INO PID`, then the milliseconds
 * from the one to the other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
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

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? (size_t)atol(argv[1]) : 4;
	long hold = argc > 2 ? atol(argv[2]) : 5000;
	struct iovec page;
	struct stat st;
	int fd, ends[2];
	double closed;
	char *p;

	fd = memfd_create("pin", MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, (off_t)(n * HUGEPAGE)) || fstat(fd, &st) || pipe(ends)) {
		perror("memfd");
		return 1;
	}
	p = mmap(NULL, n * HUGEPAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		((volatile char *)p)[i * HUGEPAGE] = 1;
	page = (struct iovec){ p + (n - 1) * HUGEPAGE, 4096 };
	if (vmsplice(ends[1], &page, 1, 0) != 4096) {
		perror("vmsplice");
		return 1;
	}
	printf("%lu %d\n", (unsigned long)st.st_ino, getpid());
	fflush(stdout);
	munmap(p, n * HUGEPAGE);
	close(fd);
	closed = ms();
	usleep((useconds_t)hold * 1000);
	close(ends[0]);
	close(ends[1]);
	printf("%.0f\n", ms() - closed);
	return 0;
}
