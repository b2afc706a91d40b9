/*
 * memfd_pages N [COMM]: one hugetlb memfd of N hugepages: created, mapped, touched,
 * unmapped, closed. Truth: one inode of hugetlbfs, N hugepages, all back at close;
 * the evict runs in this task. Prints `INO PID` of the file and of itself.
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
	size_t n = argc > 1 ? (size_t)atol(argv[1]) : 4;
	struct stat st;
	int fd;
	char *p;

	if (argc > 2)
		prctl(PR_SET_NAME, argv[2]);
	fd = memfd_create("pages", MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, (off_t)(n * HUGEPAGE)) || fstat(fd, &st)) {
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
	munmap(p, n * HUGEPAGE);
	printf("%lu %d\n", (unsigned long)st.st_ino, getpid());
	close(fd);
	return 0;
}
