/*
 * s26: a memfd of 2 hugepages that userfaultfd fills, the second from memory that is not there yet:
 * the hugepage that was taken goes back, the source is copied to one of no mapping
 * (alloc_hugetlb_folio_nodemask), and from that to a third. Truth: four taken, two go back at
 * once, two by evict().
 */
#include "scn.h"
#include <linux/userfaultfd.h>

int main(void)
{
	scn_name = "s26";
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api)) {
		perror("userfaultfd");
		return 1;
	}
	int fd = hmemfd(2);
	char *p = hmap(fd, 2, MAP_SHARED);
	struct uffdio_register all = {
		.range = { (uintptr_t)p, 2 * HP },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	char *from = mmap(NULL, 2 * HP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (from == MAP_FAILED || ioctl(uffd, UFFDIO_REGISTER, &all)) {
		perror("register");
		return 1;
	}
	memset(from, 1, HP);
	for (int i = 0; i < 2; i++) {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)p + i * HP,
			.src = (uintptr_t)from + i * HP,
			.len = HP,
		};
		if (ioctl(uffd, UFFDIO_COPY, &copy)) {
			perror("copy");
			return 1;
		}
	}
	step("copied", fd);
	munmap(p, 2 * HP);
	close(fd);
	step("closed", -1);
	close(uffd);
	ms(200);
	step("end", -1);
	return 0;
}
