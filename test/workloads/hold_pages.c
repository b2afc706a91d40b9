/*
 * hold_pages N MS [COMM]: a hugetlb memfd of N hugepages, touched, then held for MS ms: by a
 * file descriptor and a mapping for the first half, by the mapping alone afterwards.
 * Truth: one inode of hugetlbfs without a name, N hugepages, evicted when this ends.
 * Prints `DEV INO PID FD START-END` (st_dev; the mapping as in map_files) when it holds them,
 * `closed` half-way. With N 0 it needs no hugepage: the file is as long as one, and empty.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#define HUGEPAGE ((size_t)2 << 20)

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? (size_t)atol(argv[1]) : 2;
	unsigned ms = argc > 2 ? (unsigned)atoi(argv[2]) : 8000;
	size_t length = (n ? n : 1) * HUGEPAGE;
	struct stat st;
	char *p;
	int fd;

	if (argc > 3)
		prctl(PR_SET_NAME, argv[3]);
	/* a name that would break a line, and end a listing */
	fd = memfd_create("held (deleted)\n/proc/1/fd:\n5 -> x\nmaps", MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, (off_t)length) || fstat(fd, &st)) {
		perror("memfd");
		return 1;
	}
	/* MAP_NORESERVE: an empty pool will do as long as nothing is touched */
	p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		((volatile char *)p)[i * HUGEPAGE] = 1;
	printf("%lu %lu %d %d %lx-%lx\n", (unsigned long)st.st_dev, (unsigned long)st.st_ino, getpid(),
	       fd, (unsigned long)p, (unsigned long)p + length);
	fflush(stdout);
	usleep(ms * 500);
	close(fd);
	puts("closed");
	fflush(stdout);
	usleep(ms * 500);
	return 0;
}
