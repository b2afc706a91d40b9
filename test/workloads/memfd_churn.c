/*
 * memfd_churn N [COMM [RATE]]: N times memfd_create(MFD_HUGETLB) and close, as fast as
 * one core can, or RATE times a second. Truth: N inodes of hugetlbfs are made, evicted and
 * freed; no hugepage is used. COMM, if given, becomes the name of the process (any bytes).
 * Prints the nanoseconds that the calls took in all.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 1000;
	long rate = argc > 3 ? atol(argv[3]) : 0;
	long began = now(), busy = 0;

	if (argc > 2 && *argv[2])
		prctl(PR_SET_NAME, argv[2]);
	for (long i = 0; i < n; i++) {
		long due = rate ? began + i * (1000000000L / rate) : 0, from;
		int fd;

		while (rate && due > now()) {
			struct timespec left = { 0, due - now() };

			if (left.tv_nsec > 0)
				nanosleep(&left, NULL);
		}
		from = rate ? now() : 0;
		fd = memfd_create("churn", MFD_HUGETLB);
		if (fd < 0) {
			perror("memfd_create");
			return 1;
		}
		close(fd);
		if (rate)
			busy += now() - from;
	}
	printf("%ld\n", rate ? busy : now() - began);
	return 0;
}
