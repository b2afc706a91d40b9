/**
 * The part of the agent that looks at the host for who holds hugepages: a shell
 * function, `scan`. It needs root, changes nothing, and prints to standard error:
 *
 *   a holder STDEV INO DELETED BLOCKS BYTES PID COMM HOW
 *       an open file (`fd 5`) or a mapping (`mapping START-END`) of a file of hugetlbfs.
 *       DELETED is 1 when it has no name; BLOCKS of 512 bytes are in its page cache,
 *       BYTES is the size of its hugepages. One fd and one mapping of each process.
 *   a pinner PID COMM fd N WAY [COUNT]
 *       a process that can have references on pages by DMA or registered buffers
 *   a segment ID PID COMM|- ATTACHED
 *       a System V segment of shared memory, and who made it; -: that process has ended
 *   a scanned UPTIME whole|part
 *       the end; part: something could not be read to its end in time, or was too much
 *
 * COMM is /proc/PID/comm in hexadecimal, to its newline: a process chooses its name, and
 * that of its files. Names lead to candidates only; what is printed was asked of the inode itself, and only where the
 * name or the mount says that it is of hugetlbfs or shmem: stat(2) of a file on a server
 * that does not answer would never return. Nor may maps, when its process is stuck with
 * mmap_lock held: hence the time limits.
 */
export const SCAN = String.raw`
name_of() { od -An -v -tx1 "/proc/$1/comm" 2>/dev/null | tr -d ' \n'; }
# lines of at most 20 s; says so when that was not enough
limited() {
  timeout -s KILL 20 "$@" 2>/dev/null
  [ $? -lt 124 ] || echo part
}
scan_links() {
  # busybox has no -q: there a name with a line break in it can hide fds of its own process
  q=; ls -q / >/dev/null 2>&1 && q=q
  # with /dev/null, so that a single directory is named as well
  printf '%s\n' /proc/[0-9]*/fd | limited xargs ls "-ln$q" /dev/null
  echo maps
  printf '%s\n' /proc/[0-9]*/maps |
    limited xargs grep -E "/memfd:|/anon_hugepage|/SYSV|\(deleted\)$1" /dev/null
}
# paths in /proc of what may be a file of hugetlbfs, and of fds that may stand for pinned pages
SCAN_AWK='
function mounts(file,  line, w, n, i) {
  while ((getline line < file) > 0) {
    n = split(line, w, " ")
    for (i = 7; i < n && w[i] != "-"; i++);
    type[w[1]] = w[i + 1]
    split(w[3], d, ":")
    type[sprintf("%02x:%02x", d[1], d[2])] = w[i + 1]
    if (own && w[i + 1] == "hugetlbfs") at[w[5] "/"] = 1
  }
  close(file)
}
# of a mount by its number, or of a device; the mounts of that process may be others than ours
function fs(key, pid) {
  # what is in no namespace (/dev/zero, aio) is not looked for in that of every process
  if (!(key in type) && tried[key]++ < 3) mounts("/proc/" pid "/mountinfo")
  return type[key]
}
function info(pid, fd, key,  file, line, w, value) {
  file = "/proc/" pid "/fdinfo/" fd; value = ""
  while ((getline line < file) > 0) {
    split(line, w, /[ \t]+/)
    if (w[1] == key) { value = w[2]; break }
  }
  close(file)
  return value
}
function named(text) { return text ~ /^\/(memfd:|anon_hugepage|SYSV)/ }
function under(text,  m) { for (m in at) if (index(text, m) == 1) return 1; return 0 }
function link(pid, fd, text) {
  if (text ~ /^anon_inode:\[io_uring\]/) {
    count = info(pid, fd, "UserBufs:") + 0
    if (count > 0) print "pin", pid, fd, count
  } else if (text ~ /^\/dmabuf:/) {
    if (info(pid, fd, "exp_name:") == "udmabuf") print "pin", pid, fd
  } else if (text ~ /^(anon_inode:(\[vfio-device\]|kvm-vm)|\/dev\/(vfio\/|infiniband\/uverbs|iommu$|udmabuf$))/) {
    print "pin", pid, fd
  } else if (named(text) || (text ~ / \(deleted\)$/ || under(text)) && fs(info(pid, fd, "mnt_id:"), pid) == "hugetlbfs") {
    print "file /proc/" pid "/fd/" fd
  }
}
BEGIN { own = 1; mounts("/proc/self/mountinfo"); own = 0 }
$0 == "part" { print; next }
# our own is always there: else ls did not work
$0 == "maps" && !maps { maps = 1; if (pid == "") print "part"; next }
!maps && /^\/proc\/[0-9]+\/fd:$/ { split($0, w, "/"); pid = w[3]; next }
!maps {
  i = index($0, " -> ")
  if (pid == "" || i == 0) next
  n = split(substr($0, 1, i - 1), w, " ")
  if (w[n] ~ /^[0-9]+$/) link(pid, w[n], substr($0, i + 4))
  next
}
/^\/proc\/[0-9]+\/maps:/ {
  split($1, w, "[/:]")
  if ((w[3] " " $4 " " $5) in seen) next
  text = $0
  sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +/, "", text)
  if (!named(text) && fs($4, w[3]) != "hugetlbfs") next
  seen[w[3] " " $4 " " $5] = 1
  split(w[5], range, "-")
  # the names in map_files have no zeros in front
  sub(/^0+/, "", range[1]); sub(/^0+/, "", range[2])
  print "file /proc/" w[3] "/map_files/" range[1] "-" range[2]
}'
# to run in a subshell
scan() {
  export LC_ALL=C
  devices=$(awk '{ for (i = 7; i < NF && $i != "-"; i++); split($3, d, ":")
    if ($(i + 1) == "hugetlbfs") printf "| %02x:%02x ", d[1], d[2] }' /proc/self/mountinfo)
  found=$(scan_links "$devices" | awk "$SCAN_AWK")
  # 958458f6: HUGETLBFS_MAGIC
  huge=$(printf '%s\n' "$found" | sed -n 's/^file //p' | limited xargs stat -Lf -c '%t %n' |
    sed -n 's/^958458f6 /file /p; /^part$/p')
  {
    printf '%s\n%s\n' "$found" "$huge" | grep -E '^(pin|part)'
    printf '%s\n' "$huge" | sed -n 's/^file //p' | limited xargs stat -Lc 'file %d %i %h %b %o %n' |
      awk '{ split($7, w, "/"); key = $2 " " $3 " " w[3] " " w[4] }
        key in seen { next }
        n++ == 4000 { print "part"; exit }
        { seen[key] = 1; print }'
  } | {
    whole=whole
    while read -r what one two three four five six; do
      case $what in
      file)
        path=$§{six#/proc/}; pid=$§{path%%/*}; how=$§{path#*/}
        case $how in fd/*) how="fd $§{how#*/}" ;; *) how="mapping $§{how#*/}" ;; esac
        # it may have ended since
        comm=$(name_of "$pid"); [ -n "$comm" ] || continue
        if [ "$three" = 0 ]; then deleted=1; else deleted=0; fi
        say holder "$one" "$two" "$deleted" "$four" "$five" "$pid" "$comm" "$how" ;;
      pin)
        comm=$(name_of "$one"); [ -n "$comm" ] || continue
        case $(readlink "/proc/$one/fd/$two") in
        anon_inode:\[io_uring\]) way="io_uring $three" ;;
        anon_inode:\[vfio-device\] | /dev/vfio/*) way=vfio ;;
        anon_inode:kvm-vm) way=kvm ;;
        /dev/infiniband/*) way=RDMA ;;
        /dev/iommu) way=iommufd ;;
        /dev/udmabuf | /dmabuf:*) way=udmabuf ;;
        *) continue ;;
        esac
        say pinner "$one" "$comm" fd "$two" "$way" ;;
      part) whole=part ;;
      esac
    done
    # shmid, cpid, nattch; the file of a segment has its id as number
    awk 'NR > 1 && n++ < 1000 { print $2, $5, $7 }' /proc/sysvipc/shm 2>/dev/null |
      while read -r one two three; do
        comm=$(name_of "$two")
        say segment "$one" "$two" "$§{comm:--}" "$three"
      done
    read -r up _ < /proc/uptime
    say scanned "$up" "$whole"
  }
}
`.replaceAll('$§', '$');
