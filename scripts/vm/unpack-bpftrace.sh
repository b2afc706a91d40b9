#!/bin/sh
# Unpacks the bpftrace of a Debian release with that release's loader and libraries, so that it
# runs beside the machine's own: unpack-bpftrace.sh SOURCES TO. SOURCES is a sources.list of that
# release alone; TO/bpftrace runs it. Prints its version: 0.23
set -eu
sources=$1 to=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archives/partial" "$work/lists/partial" "$work/tree" "$to/lib" "$to/loader"

# With an empty dpkg status apt takes all of it from that release.
apt_of_it() {
  apt-get -qq -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
    -o Dir::Etc::SourceList="$sources" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State::Lists="$work/lists" \
    -o Dir::State::Status=/dev/null -o Dir::Cache="$work" "$@" >&2
}
apt_of_it update
apt_of_it install -y --no-install-recommends --download-only bpftrace
for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$work/tree"; done

program=$work/tree/usr/bin/bpftrace
loader=$(find "$work/tree" -name 'ld-linux*.so.*' -type f)
folders=$(find "$work/tree" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
"$loader" --library-path "$folders" --list "$program" |
  sed -n 's/.* => \(.*\) (.*/\1/p' | xargs cp -Lt "$to/lib"
cp "$program" "$to/lib/"
# The loader has the name of what it loads, since that is the name the kernel gives to the process.
mv "$to"/lib/ld-linux*.so.* "$to/loader/bpftrace"
cat >"$to/bpftrace" <<'RUN'
#!/bin/sh
d=$(dirname "$(readlink -f "$0")")
exec "$d/loader/bpftrace" --library-path "$d/lib" "$d/lib/bpftrace" "$@"
RUN
chmod 755 "$to/bpftrace"
dpkg-deb -f "$work"/archives/bpftrace_*.deb Version | sed 's/^\([0-9]*\.[0-9]*\).*/\1/'
