/**
 * The shell script that runs bpftrace on a test host. It arrives as an argument
 * of `sh -c`, the bpftrace program over standard input; nothing is left on the
 * host. What it guarantees: when its standard input ends, or says nothing for
 * three seconds (the server died, the network was cut), bpftrace is gone.
 *
 * Standard input: `LENGTH LENGTH\n`, two programs (the second may be empty), each of
 * which gets a bpftrace of its own, then one byte at a time: `.` I am
 * alive (twice a second), `c` make a canary inode, `s` look for who holds hugepages (one
 * scan at a time), `q` end.
 *
 * Standard output: bpftrace's, untouched. Standard error, line by line:
 *   b TEXT                            what bpftrace said on its standard error
 *   a clock UPTIME WALLNS             /proc/uptime (s) and the wall clock (ns), read together
 *   a pool UPTIME KB NODE TOTAL FREE RESERVED|- SURPLUS
 *   a online UPTIME LIST              the CPUs that are online (`0-3,6`): first, and when it changes
 *   a ftrace UPTIME 0|1               kernel.ftrace_enabled: first, and when it changes
 *   a misses UPTIME TRACK TYPE:ID:N ...  each program of a bpftrace, its recursion_misses
 *   a canary FS STDEV INO             an inode was made and has been dropped
 *   a nocanary FS WHY
 *   a holder, a pinner, a scanned     what a scan found, see scan.ts
 *   a died                            bpftrace has gone by itself
 *   a exit STATUS                     bpftrace ended
 */

import { SCAN } from './scan.ts';

/** POSIX; `read -t` is used where the shell has it (bash), else timeout(1) and head(1). */
const AGENT = String.raw`
# bash looks at the wall clock to see whether time is up, and somebody may set that
if [ -n "$BASH_VERSION" ]; then beat() {
  read -r since _ < /proc/uptime
  while IFS= read -r -t 3 -n 1 c; r=$?; [ "$r" -gt 128 ]; do
    [ -z "$c" ] || return 0
    read -r now _ < /proc/uptime
    [ $(($§{now%.*} - $§{since%.*})) -lt 3 ] || return 1
  done
  return "$r"
}
else beat() { c=$(timeout 3 head -c 1); [ -n "$c" ]; }; fi
# a reader that has gone must not end us before bpftrace; a handler, unlike '', is not inherited
trap : PIPE
say() { printf 'a %s\n' "$*" >&2; }
read -r length length2 || exit 2
program=$(head -c "$length")
program2=$(head -c "$length2")
read -r up _ < /proc/uptime; say clock "$up" "$(date +%s%N)"
d=$(mktemp -d) && mkfifo "$d/e" && exec 9<>"$d/e" 8<"$d/e" || { say fail cannot make a fifo; exit 2; }
rm -rf "$d"
# it only reads, so that it ends with the last of those that write, also when we are killed
( exec <&8 8<&- 9<&- >&2
  while IFS= read -r l; do [ "$l" = ==lastref-end ] && exit; printf 'b %s\n' "$l"; done ) &
reader=$!
exec 8<&-
start() { printf '%s\n' "$1" | env $LASTREF_BPFTRACE_ENV "$LASTREF_BPFTRACE" -B line - 2>&9 & }
start "$program"; pids=$!
[ -z "$program2" ] || { start "$program2"; pids="$pids $!"; }
# one that was killed is listed until its probes are off, seconds on a slow host; its exe is gone
runs() { kill -0 "$1" 2>/dev/null && [ -e "/proc/$1/exe" ]; }
all_run() { for p in $pids; do runs "$p" || return 1; done; }
end_all() { for p in $pids; do kill "-$1" "$p" 2>/dev/null; done; }
exec >/dev/null
( exec 9<&- 0<&-
  online=; ftrace=
  while all_run; do
    read -r up _ < /proc/uptime
    was=$online; { read -r online < /sys/devices/system/cpu/online; } 2>/dev/null
    [ "$online" = "$was" ] || say online "$up" "$online"
    was=$ftrace; { read -r ftrace < /proc/sys/kernel/ftrace_enabled; } 2>/dev/null
    [ "$ftrace" = "$was" ] || say ftrace "$up" "$ftrace"
    for p in /sys/kernel/mm/hugepages/hugepages-*kB; do
      [ -r "$p/nr_hugepages" ] || continue
      k=$§{p##*-}; k=$§{k%kB}
      read -r t < "$p/nr_hugepages"; read -r f < "$p/free_hugepages"
      read -r r < "$p/resv_hugepages"; read -r s < "$p/surplus_hugepages"
      say pool "$up" "$k" -1 "$t" "$f" "$r" "$s"
    done
    for p in /sys/devices/system/node/node[0-9]*/hugepages/hugepages-*kB; do
      [ -r "$p/nr_hugepages" ] || continue
      k=$§{p##*-}; k=$§{k%kB}; n=$§{p#*/node/node}; n=$§{n%%/*}
      read -r t < "$p/nr_hugepages"; read -r f < "$p/free_hugepages"; read -r s < "$p/surplus_hugepages"
      say pool "$up" "$k" "$n" "$t" "$f" - "$s"
    done
    while read -r k v _; do
      case $k$v in HardwareCorrupted:[1-9]*) say corrupted "$up" "$v" ;; esac
    done < /proc/meminfo
    track=0
    for p in $pids; do
      awk -v u=" $up $track" '/^prog_type:/{t=$2} /^prog_id:/{i=$2}
        /^recursion_misses:/{m=m " " t ":" i ":" $2} END{print "a misses" u m}' \
        /proc/"$p"/fdinfo/* >&2 2>/dev/null
      track=$((track + 1))
    done
    sleep 1
  done ) &
sampler=$!
canary() {
  for fs in $LASTREF_CANARY; do
    case $fs in
    shmem)
      # a name that nobody can have prepared: everybody may write there
      f=$(mktemp /dev/shm/.lastref-canary.XXXXXX 2>/dev/null)
      if [ -n "$f" ] && { exec 8<>"$f"; } 2>/dev/null; then
        s=$(stat -Lc '%d %i' "$f"); rm -f "$f"; exec 8>&-; say canary shmem "$s"
      else say nocanary shmem /dev/shm is not writable; fi ;;
    hugetlbfs)
      if command -v perl >/dev/null; then
        case $(uname -m) in aarch64|riscv64) nr=279;; *) nr=319;; esac
        s=$(perl -e '$n = "lastref-canary"; $f = syscall($ARGV[0], $n, 4); exit 1 if $f < 0;
          open(H, "<&=", $f); @s = stat(H); print "$s[0] $s[1]"' "$nr" 2>/dev/null)
      elif command -v python3 >/dev/null; then
        s=$(python3 -c 'import os; f = os.memfd_create("lastref-canary", 4); s = os.fstat(f)
print(s.st_dev, s.st_ino)' 2>/dev/null)
      else s=; fi
      if [ -n "$s" ]; then say canary hugetlbfs "$s"
      else say nocanary hugetlbfs neither perl nor python3 could make a hugetlb memfd; fi ;;
    esac
  done
}
wanted=; canary_pid=; scan_pid=
while all_run && beat; do
  case $c in
  # on a slow host one takes longer than the next is asked for
  c) kill -0 "$canary_pid" 2>/dev/null || { canary 9<&- & canary_pid=$!; } ;;
  s) kill -0 "$scan_pid" 2>/dev/null || { scan 9<&- & scan_pid=$!; } ;;
  q) wanted=1; break ;; esac
done
# nobody listens any more: no farewell
died=
for p in $pids; do runs "$p" || died=$p; done
[ -z "$died" ] || say died
if [ -n "$wanted" ]; then end_all INT; else end_all KILL; fi
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
  some=; for p in $pids; do kill -0 "$p" 2>/dev/null && some=1; done
  [ -n "$some" ] || break; sleep 0.1
done
end_all KILL
# the one that died by itself says why; the other was ended because of it
for p in $pids; do wait "$p"; s=$?; [ "$p" != "$died" ] || own=$s; done
status=$§{own:-$s}
kill "$sampler" $scan_pid 2>/dev/null
echo ==lastref-end >&9
wait "$reader"
say exit "$status"
`.replaceAll('$§', '$');

/** Quotes a word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * bpftrace needs tracefs. Where it is not mounted, it is for this script alone, in
 * a mount namespace of its own: the host's settings stay as they are.
 */
export function withTracefs(script: string): string {
  return [
    `s=${quote(script)}`,
    'sh=$(command -v bash || command -v sh)',
    'if [ -d /sys/kernel/tracing/events ] || [ -d /sys/kernel/debug/tracing/events ]; then exec "$sh" -c "$s"; fi',
    `exec unshare -m "$sh" -c 'mount -t tracefs tracefs /sys/kernel/tracing; exec "$0" -c "$1"' "$sh" "$s"`,
  ].join('\n');
}

/**
 * The agent's script for one tracer. `bpftrace`: its name or path; `env` goes to it;
 * `canaries` are filesystems.
 */
export function agentScript(
  bpftrace: string,
  env: Record<string, string>,
  canaries: readonly string[],
): string {
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  return withTracefs(
    `LASTREF_BPFTRACE=${quote(bpftrace)}\nLASTREF_BPFTRACE_ENV=${quote(settings.join(' '))}\nLASTREF_CANARY=${quote(canaries.join(' '))}\n${SCAN}${AGENT}`,
  );
}
