#!/usr/bin/env bash
# Builds the bundled test guest: build-image.sh KERNEL OUTDIR
#
# From Debian's packages alone. OUTDIR receives
#   disk.img                  ext4 root file system, sparse
#   vmlinux, or vmlinuz       the kernel, unpacked where that was possible
#   initrd                    loads the virtio modules and mounts the disk, nothing else
#   cmdline                   the kernel's command line
#   id_ed25519, id_ed25519.pub          the key that opens the guest
#   ssh_host_ed25519_key.pub            what the guest answers with
#   uname                     the kernel's full release
#
# Beside its own bpftrace the guest has those of other releases, as /usr/local/bin/bpftrace-VERSION,
# for `--bpftrace`. A new kernel is a new row in `kernel_suite`.
set -euo pipefail
trap 'echo "build-image: failed in line $LINENO" >&2' ERR

release=trixie
bpftrace_suites='bookworm sid' # an old bpftrace and the newest
disk_size=3G
image_user=guest   # no sudo rights: for tests of `sudo -n` that must fail
tracer_user=tracer # sudo without a password: how a lab machine looks

# The suite, beside the guest's own release, that has this kernel.
kernel_suite() {
  case $1 in
    6.1) echo bookworm-security ;;
    6.12) echo "$release" ;;
    6.18) echo "$release-backports" ;;
    7) echo "$release-backports" ;;
    *) die "no kernel '$1': 6.1, 6.12, 6.18 and 7 are known" ;;
  esac
}

die() {
  echo "build-image: $*" >&2
  exit 1
}
# What lastref passes on to its user while the image is made.
stage() { echo "== $*"; }

[ $# -eq 2 ] || die 'usage: build-image.sh KERNEL OUTDIR'
kernel=$1
suite=$(kernel_suite "$kernel") || exit 1

# A root file system has files of many owners, so it takes root to lay one out.
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null || die 'building a guest image needs root, or sudo without a password'
  sudo -n "$0" "$@"
  exec sudo -n chown -R "$(id -u):$(id -g)" "$2"
fi

umask 022
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$2"
out=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
root=$out/root
initrd=$out/initrd.d
work=("$root" "$initrd" "$out"/{add-suite,add-kernel,add-bpftrace,apt.conf,modules.list})
trap 'rm -rf --one-file-system "${work[@]}"' EXIT
for tool in mmdebstrap mkfs.ext4 ssh-keygen; do
  command -v "$tool" >/dev/null || die "$tool is missing"
done
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# --- where packages come from ------------------------------------------------

mirrors=()
main=$("$here/machine-mirror.sh" debian)
security=$("$here/machine-mirror.sh" debian-security)
if [ -n "$main" ]; then
  mirrors+=("deb $main $release main")
  [ -z "$security" ] || mirrors+=("deb $security $release-security main")
fi

# The guest's packages are fetched the way this machine fetches its own (proxy, retries, dates).
apt-config dump | grep -E '^Acquire::(http|https|Retries|Check-)' >"$out/apt.conf" || true
echo 'Acquire::Languages "none";' >>"$out/apt.conf"

# Runs in the new root before the first `apt update`. The sources of a suite from elsewhere are made
# out of those that are there already; of such a suite only the kernel is taken.
cat >"$out/add-suite" <<HOOK
#!/bin/sh -e
list=\$1/etc/apt/sources.list
[ -e "\$list" ] || list=\$(ls "\$1"/etc/apt/sources.list.d/*.list | sed -n 1p)
case $suite in
  $release) ;;
  *-security)
    sed -n 's/ $release-security / $suite /p; s/ $release / ${suite%-security} /p' "\$list"
    ;;
  *) sed -n 's/ $release / $suite /p' "\$list" ;;
esac >"\$1/etc/apt/sources.list.d/kernel.list"
if [ $suite != $release ]; then
  for from in $suite ${suite%-*}; do
    [ \$from = $release ] || printf 'Package: *\nPin: release n=%s\nPin-Priority: 50\n\n' \$from
  done >"\$1/etc/apt/preferences.d/kernel"
fi
HOOK

# Runs in the new root after everything else: the newest build of the kernel, of which a suite keeps
# several. Its packages are unpacked rather than installed: that needs no initramfs-tools, and
# backports drop the helper packages of a kernel before the kernel itself. From 7 on Debian spreads
# one over several packages.
cat >"$out/add-kernel" <<HOOK
#!/bin/sh -e
root=\$1
version=\$(chroot "\$root" apt-cache pkgnames linux-image-$kernel. |
  sed -n 's/^linux-image-\(.*-cloud-amd64\)\$/\1/p' | sort -V | tail -n 1)
[ -n "\$version" ] || { echo "no kernel $kernel in $suite" >&2; exit 1; }
mkdir -p "\$root/kernel/tree"
for part in image binary modules base; do
  # a name may be known from another package's dependencies only: it needs a candidate
  chroot "\$root" apt-cache policy "linux-\$part-\$version" | grep -q 'Candidate: [0-9]' || continue
  chroot "\$root" sh -ec "cd /kernel
    apt-get download -q -o APT::Sandbox::User=root linux-\$part-\$version
    dpkg-deb -x linux-\$part-* tree
    rm linux-\$part-*"
done
mkdir -p "\$root/usr/lib/modules" "\$root/boot"
for modules in "\$root/kernel/tree/lib/modules" "\$root/kernel/tree/usr/lib/modules"; do
  [ ! -d "\$modules" ] || cp -a "\$modules/." "\$root/usr/lib/modules/"
done
[ ! -d "\$root/kernel/tree/boot" ] || cp -a "\$root/kernel/tree/boot/." "\$root/boot/"
rm -rf "\$root/kernel"
chroot "\$root" depmod "\$version"
HOOK
chmod +x "$out/add-suite" "$out/add-kernel"

# Runs inside the new root: the bpftrace of each other release, under /opt, beside the guest's own.
{
  printf 'release=%s suites="%s"\n' "$release" "$bpftrace_suites"
  printf "cat >/unpack-bpftrace <<'UNPACK'\n"
  cat "$here/unpack-bpftrace.sh"
  cat <<'HOOK'
UNPACK
list=/etc/apt/sources.list
[ -e "$list" ] || list=$(ls /etc/apt/sources.list.d/*.list | sed -n 1p)
for suite in $suites; do
  sed -n "s/ $release / $suite /p" "$list" >/unpack-sources
  version=$(sh /unpack-bpftrace /unpack-sources /opt/unpacked)
  mv /opt/unpacked "/opt/bpftrace-$version"
  ln -s "/opt/bpftrace-$version/bpftrace" "/usr/local/bin/bpftrace-$version"
done
rm /unpack-bpftrace /unpack-sources
own=$(dpkg-query -f '${Version}' -W bpftrace | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
ln -s /usr/bin/bpftrace "/usr/local/bin/bpftrace-$own"
HOOK
} >"$out/add-bpftrace"

# --- the root file system ----------------------------------------------------

packages=systemd-sysv,udev,kmod,iproute2,openssh-server,sudo,perl-base,e2fsprogs,procps
packages+=,bpftrace,busybox-static,zstd,xz-utils,lz4

rm -rf --one-file-system "${root:?}" "$initrd"
stage "fetching and unpacking Debian's packages"
mmdebstrap --mode=root --variant=apt --format=directory --quiet \
  --include="$packages" \
  --aptopt="$out/apt.conf" \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --setup-hook="$out/add-suite" \
  --customize-hook="$out/add-kernel" \
  --customize-hook="chroot \"\$1\" sh -e -s <'$out/add-bpftrace'" \
  "$release" "$root" "${mirrors[@]}" </dev/null

version=$(find "$root/usr/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V | tail -n 1)
echo "$version" >"$out/uname"
stage "configuring the guest, Linux $version"

# Where things are put into the root: `put MODE PATH` reads the file from standard input.
put() {
  mkdir -p "$(dirname "$root$2")"
  cat >"$root$2"
  chmod "$1" "$root$2"
}

hostname=lastref-$kernel
echo "$hostname" | put 644 /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$hostname" | put 644 /etc/hosts
echo 'nameserver 10.0.2.3' | put 644 /etc/resolv.conf # QEMU's user network
od -An -tx1 -N16 /dev/urandom | tr -d ' \n' | put 444 /etc/machine-id # else: a slow first boot
echo 'vm.nr_hugepages = 64' | put 644 /etc/sysctl.d/50-lastref.conf
printf '/dev/vda / ext4 rw,noatime 0 0\n' | put 644 /etc/fstab
echo "$tracer_user ALL=(ALL) NOPASSWD: ALL" | put 440 /etc/sudoers.d/lastref

# --- who may come in ---------------------------------------------------------

ssh-keygen -q -t ed25519 -N '' -C "lastref guest $kernel" -f "$out/id_ed25519" <<<y >/dev/null
rm -f "$root"/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -C "$hostname" -f "$root/etc/ssh/ssh_host_ed25519_key"
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$out/"

# A password of `*` matches nothing and yet, unlike `!`, does not lock the account for keys.
chroot "$root" usermod -p '*' root
for user in "$image_user" "$tracer_user"; do
  chroot "$root" useradd --create-home --shell /bin/bash --password '*' "$user"
done
for home in /root "/home/$image_user" "/home/$tracer_user"; do
  put 600 "$home/.ssh/authorized_keys" <"$out/id_ed25519.pub"
  chmod 700 "$root$home/.ssh"
  chown -R --reference="$root$home" "$root$home/.ssh"
done

# PerSourcePenalties: whoever polls a booting sshd looks like an attacker to it.
# KexAlgorithms: the default, post-quantum exchange takes an emulated CPU seconds.
put 644 /etc/ssh/sshd_config.d/lastref.conf <<'CONF'
HostKey /etc/ssh/ssh_host_ed25519_key
KexAlgorithms curve25519-sha256
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
X11Forwarding no
PrintMotd no
PrintLastLog no
PerSourcePenalties no
MaxStartups 100
MaxSessions 100
LoginGraceTime 300
CONF

# Debian's unit waits for the whole boot and checks its configuration first; this one starts as soon
# as the hugepages are there (the file systems and the network come from the initrd).
put 644 /etc/systemd/system/lastref-sshd.service <<'CONF'
[Unit]
Description=OpenSSH server for lastref
DefaultDependencies=no
After=systemd-sysctl.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=notify
ExecStart=/usr/sbin/sshd -D
ExecStartPost=/bin/busybox sh -c 'echo "lastref: sshd listens" >/dev/console'
KillMode=process
Restart=on-failure
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
RuntimeDirectoryMode=0755

[Install]
WantedBy=sysinit.target
CONF

# guest_memfd is of KVM, whose functions can be traced once it is loaded: before anybody comes in.
if grep -qs '^CONFIG_KVM_GUEST_MEMFD=y' "$root/boot/config-$version" \
  "$root/usr/lib/modules/$version/config"; then
  put 644 /etc/systemd/system/lastref-kvm.service <<'CONF'
[Unit]
Description=KVM inside the guest, for guest_memfd
DefaultDependencies=no
Before=lastref-sshd.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'if grep -qw svm /proc/cpuinfo; then modprobe kvm_amd; else modprobe kvm_intel; fi'
CONF
fi

# --- nothing that a guest of a few minutes has a use for ---------------------

enable() {
  mkdir -p "$root/etc/systemd/system/$2.wants"
  ln -sf "/etc/systemd/system/$1" "$root/etc/systemd/system/$2.wants/$1"
}
mask() {
  for unit in "$@"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
}
enable lastref-sshd.service sysinit.target
if [ -e "$root/etc/systemd/system/lastref-kvm.service" ]; then
  enable lastref-kvm.service sysinit.target
fi
ln -sf /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
mask ssh.service ssh.socket \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer man-db.timer fstrim.timer \
  e2scrub_all.timer e2scrub_reap.service logrotate.timer systemd-tmpfiles-clean.timer \
  getty@.service serial-getty@.service getty.target console-getty.service \
  systemd-ask-password-console.path systemd-ask-password-wall.path \
  systemd-timesyncd.service systemd-logind.service systemd-user-sessions.service \
  systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service \
  systemd-network-generator.service systemd-hostnamed.socket systemd-creds.socket \
  systemd-journald-audit.socket systemd-initctl.socket systemd-sysext.socket \
  systemd-update-utmp.service systemd-random-seed.service systemd-pstore.service \
  systemd-binfmt.service systemd-machine-id-commit.service systemd-firstboot.service \
  systemd-journal-flush.service systemd-journal-catalog-update.service \
  systemd-update-done.service systemd-hwdb-update.service systemd-sysusers.service \
  systemd-modules-load.service systemd-udev-load-credentials.service ldconfig.service \
  systemd-remount-fs.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service \
  systemd-pcrextend.socket systemd-pcrlock.socket systemd-pcrmachine.service \
  keyboard-setup.service console-setup.service sys-kernel-config.mount \
  proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount

# Generators run one after the other before anything else, and none has anything to say here.
for generator in "$root"/usr/lib/systemd/system-generators/*; do
  mkdir -p "$root/etc/systemd/system-generators"
  ln -sf /dev/null "$root/etc/systemd/system-generators/$(basename "$generator")"
done
put 644 /etc/systemd/journald.conf.d/lastref.conf <<'CONF'
[Journal]
Audit=no
Storage=volatile
RuntimeMaxUse=16M
CONF

# --- kernel and initrd -------------------------------------------------------

kernel_image=$root/boot/vmlinuz-$version
if [ ! -e "$kernel_image" ]; then # from 7 on it lies beside its modules, like its configuration
  kernel_image=$root/usr/lib/modules/$version/vmlinuz
  config=$root/usr/lib/modules/$version/config
  [ ! -e "$config" ] || cp "$config" "$root/boot/config-$version" # where bpftrace looks for it
fi
cp "$kernel_image" "$out/vmlinuz"

# An emulated CPU takes a second to unpack the kernel: QEMU starts an unpacked one too (PVH).
# Offsets: the kernel's Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
field() { od -An -t "u$2" -j "$1" -N "$2" "$out/vmlinuz" | tr -d ' '; }
payload=$((($(field 0x1f1 1) + 1) * 512 + $(field 0x248 4)))
length=$(field 0x24c 4)
head -c "$((payload + length))" "$out/vmlinuz" | tail -c "$length" >"$root/payload"
case $(od -An -tx1 -N4 "$root/payload" | tr -d ' ') in
  28b52ffd) chroot "$root" zstd -qdc payload ;;
  fd377a58) chroot "$root" xz -dc --single-stream payload ;;
  02214c18) chroot "$root" lz4 -qdc payload ;;
esac >"$out/vmlinux" 2>/dev/null || true # the payload ends with its length, which the tools dislike
rm "$root/payload"
if [ "$(head -c 4 "$out/vmlinux" | tail -c 3)" = ELF ]; then
  rm "$out/vmlinuz"
else
  rm "$out/vmlinux"
fi

# Debian's own initrd looks for disks by udev and is ten times as large. This one knows its disk,
# and sets the network up on the way (QEMU's user network always hands out the same address).
mkdir -p "$initrd"/{bin,dev,proc,sys,root,modules}
cp "$root/bin/busybox" "$initrd/bin/busybox"
chroot "$root" modprobe --set-version "$version" --all --show-depends \
  virtio_pci virtio_blk virtio_net virtio_rng ext4 |
  awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$out/modules.list"
while read -r module; do
  name=$(basename "${module%.ko*}").ko
  case $module in
    *.xz) chroot "$root" xz -dc "$module" ;;
    *.zst) chroot "$root" zstd -qdc "$module" ;;
    *) cat "$root$module" ;;
  esac >"$initrd/modules/$name"
  echo "$name"
done <"$out/modules.list" >"$initrd/modules/order"

cat >"$initrd/init" <<'INIT'
#!/bin/busybox sh
# Standard output is the serial console.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
echo 'lastref: initrd'
while read -r module; do $b insmod "/modules/$module"; done </modules/order
while [ ! -b /dev/vda ]; do $b sleep 0.05; done
$b mount -t ext4 -o rw,noatime /dev/vda /root
$b ip link set lo up
$b ip address add 10.0.2.15/24 dev eth0
$b ip link set eth0 up
$b ip route add default via 10.0.2.2
for dir in dev proc sys; do $b mount --move "/$dir" "/root/$dir"; done
# systemd would start a process for each of these; mounts that it finds it leaves alone.
$b mkdir -p /root/dev/hugepages /root/dev/mqueue
$b mount -t hugetlbfs -o nosuid,nodev hugetlbfs /root/dev/hugepages
$b mount -t mqueue -o nosuid,nodev,noexec mqueue /root/dev/mqueue
$b mount -t tracefs -o nosuid,nodev,noexec tracefs /root/sys/kernel/tracing
$b mount -t debugfs -o nosuid,nodev,noexec debugfs /root/sys/kernel/debug
$b mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /root/tmp
echo 'lastref: root file system mounted'
exec $b switch_root /root /sbin/init
INIT
chmod +x "$initrd/init"
(cd "$initrd" && find . -print0 | sort -z |
  "$root/bin/busybox" cpio -0 -o -H newc 2>/dev/null) >"$out/initrd"

# net.ifnames: the initrd names the card before udev could rename it.
# panic: with QEMU's -no-reboot a guest that died is gone and its console tells why.
# lsm: without BPF's, for which systemd would load a program at every start.
echo "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=5 mitigations=off audit=0 lsm=capability" \
  >"$out/cmdline"

# --- the disk ----------------------------------------------------------------

rm -rf "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/*_* \
  "$root"/usr/share/{doc,man,info}/* "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root"/boot/vmlinuz-* "$kernel_image"
stage 'writing the disk image'
truncate -s "$disk_size" "$out/disk.img"
mkfs.ext4 -q -F -L lastref -d "$root" "$out/disk.img"
