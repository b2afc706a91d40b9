#!/usr/bin/perl
# A little of everything that lastref shows, in a loop, for the bundled guest:
# hugetlb memfds that come and go, one that is kept for a while, a hole punched
# into one, tmpfs files. Runs until it is ended. Needs nothing but perl; x86-64.
use strict;
use warnings;

my ($MEMFD_CREATE, $FALLOCATE) = (319, 285);
my ($MFD_HUGETLB, $KEEP_SIZE, $PUNCH_HOLE) = (4, 1, 2);
my $HUGEPAGE = 2 << 20;

sub pause { select(undef, undef, undef, shift) }

sub rename_task {
	my $name = shift;
	if (open(my $comm, '>', "/proc/$$/comm")) { print $comm $name }
}

# A hugetlb memfd with this many hugepages in its page cache.
sub hugetlb {
	my ($pages) = @_;
	my $name = "demo";
	my $fd = syscall($MEMFD_CREATE, $name, $MFD_HUGETLB);
	die "memfd_create: $!" if $fd < 0;
	if ($pages > 0 && syscall($FALLOCATE, $fd, 0, 0, $pages * $HUGEPAGE) != 0) {
		warn "fallocate: $!\n";
	}
	open(my $handle, '<&=', $fd) or die "fd $fd: $!";
	return $handle;
}

$| = 1;
my $round = 0;
my @kept;
while (1) {
	$round++;
	rename_task("demo-memfd");
	my $file = hugetlb(1 + $round % 4);
	pause(0.15);
	if ($round % 5 == 0) {
		rename_task("demo-punch");
		syscall($FALLOCATE, fileno($file), $KEEP_SIZE | $PUNCH_HOLE, 0, $HUGEPAGE);
		pause(0.1);
		rename_task("demo-memfd");
	}
	close($file);
	rename_task("demo-tmpfs");
	my $path = "/dev/shm/lastref-demo-$$";
	if (open(my $out, '>', $path)) { print $out "x" x 65536; close($out) }
	unlink($path);
	rename_task("demo-keep");
	push @kept, hugetlb(2) if $round % 4 == 0;
	shift @kept if @kept > 3;
	pause(0.25);
}
