/*
 * memfd_churn N [COMM]: N times memfd_create(MFD_HUGETLB) and close, as fast as
 * one core can. Truth: N inodes of hugetlbfs are made, evicted and freed; no
 * hugepage is used. COMM, if given, becomes the name of the process (any bytes).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 1000;

	if (argc > 2)
		prctl(PR_SET_NAME, argv[2]);
	for (long i = 0; i < n; i++) {
		int fd = memfd_create("churn", MFD_HUGETLB);

		if (fd < 0) {
			perror("memfd_create");
			return 1;
		}
		close(fd);
	}
	return 0;
}
