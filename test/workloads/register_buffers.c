/*
 * register_buffers N: an io_uring with N registered buffers of a page each (0: none), until
 * its standard input ends. Truth: those pages are pinned as long as the ring is open.
 * Prints `PID FD`; exits with 77 where there is no io_uring.
 */
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char page[4096] __attribute__((aligned(4096)));
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
	struct io_uring_params params = {0};
	struct iovec *buffers = calloc(n + 1, sizeof *buffers);
	int fd = (int)syscall(SYS_io_uring_setup, 4, &params);

	if (fd < 0) {
		perror("io_uring_setup");
		return 77;
	}
	for (unsigned i = 0; i < n; i++)
		buffers[i] = (struct iovec){page, sizeof page};
	if (n && syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, buffers, n)) {
		perror("io_uring_register");
		return 1;
	}
	printf("%d %d\n", getpid(), fd);
	fflush(stdout);
	while (read(0, page, 1) > 0)
		;
	return 0;
}
