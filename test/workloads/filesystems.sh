#!/bin/sh
# filesystems.sh N: N files made and removed on a ramfs and on an overlay, N pipes; then the
# ramfs is unmounted with three files in it. Truth: N + 3 inodes of ramfs (and its root), N of
# overlay, at least N of pipefs. `filesystems.sh` alone mounts both where they are not.
if [ $# = 0 ]; then
	mkdir -p /mnt/r /mnt/o
	mountpoint -q /mnt/r || mount -t ramfs none /mnt/r || exit 1
	mountpoint -q /mnt/o && exit 0
	modprobe overlay 2>/dev/null
	mount -t tmpfs none /mnt/o && mkdir /mnt/o/l /mnt/o/u /mnt/o/w /mnt/o/m || exit 1
	exec mount -t overlay -o lowerdir=/mnt/o/l,upperdir=/mnt/o/u,workdir=/mnt/o/w none /mnt/o/m
fi
i=0
while [ $i -lt "$1" ]; do
	for d in /mnt/r /mnt/o/m; do
		echo x >$d/f
		rm $d/f
	done
	echo x | cat >/dev/null
	i=$((i + 1))
done
touch /mnt/r/a /mnt/r/b /mnt/r/c
umount /mnt/r
