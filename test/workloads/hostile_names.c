/*
 * hostile_names MS: a mount of hugetlbfs whose source and directory, files whose names, and
 * processes whose names try to break a line, a shell, a terminal, a web page. Each process
 * holds a file without a name and one hugepage of it, mapped and open, for MS ms.
 * Truth: one inode of hugetlbfs and one hugepage for each process; all go back when it ends.
 * Prints `INO PID FD` for each, then `holding`; needs root and hugepages of 2 MiB.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGEPAGE ((size_t)2 << 20)

static const char *const NAMES[] = {
	"\x1b[2J\x1b]0;x\a",
	"a\na holder 1 2 3",
	"<script>alert(1)",
	"<img src=x onerror=alert(1)>\"'&",
	"\xe2\x80\xaegnp.exe",
	"$(reboot)`id`\\",
	"\n@hits[3]: 9\n",
	"\xff\xfe (deleted)\n",
};
#define N (sizeof(NAMES) / sizeof(NAMES[0]))

static const char DIRECTORY[] = "/tmp/<b>\x1b[31m\n/proc/1/maps:7f00-7f01 rw-s 0 00:01 5 /memfd:x (deleted)";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void hold(const char *name, unsigned ms)
{
	struct stat st;
	int fd;
	char *p;

	prctl(PR_SET_NAME, name);
	fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (fd < 0 || ftruncate(fd, HUGEPAGE) || fstat(fd, &st))
		die("file");
	p = mmap(NULL, HUGEPAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	*(volatile char *)p = 1;
	unlink(name);
	printf("%lu %d %d\n", (unsigned long)st.st_ino, getpid(), fd);
	fflush(stdout);
	usleep(ms * 1000);
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned ms = argc > 1 ? (unsigned)atoi(argv[1]) : 8000;
	const char *at;

	/* the name has slashes: each part is a directory */
	if (chdir("/"))
		die("chdir");
	for (at = DIRECTORY + 1; *at; at++) {
		char part[sizeof(DIRECTORY)];
		size_t length = (size_t)(at - DIRECTORY);

		if (*at != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)length, DIRECTORY);
		mkdir(part, 0700);
	}
	mkdir(DIRECTORY, 0700);
	if (mount("none\n@full: 9 <script>", DIRECTORY, "hugetlbfs", 0, "pagesize=2M"))
		die("mount");
	if (chdir(DIRECTORY))
		die("chdir");
	for (size_t i = 0; i < N; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			hold(NAMES[i], ms);
	}
	usleep(1000 * 1000);
	puts("holding");
	fflush(stdout);
	for (size_t i = 0; i < N; i++)
		wait(NULL);
	if (chdir("/") || umount(DIRECTORY))
		die("umount");
	return 0;
}
