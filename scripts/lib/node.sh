# Sourced: puts a Node of at least version 24 and the project's packages in place.
# Where the machine's Node is older, one is taken from the npm registry, into .node.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

need() { # need COMMAND PACKAGE: installs a Debian package where its command is missing
	command -v "$1" >/dev/null && return
	missing="${missing:-} $2"
}

install_missing() { # installs what `need` found missing, or says what to install
	[ -n "${missing:-}" ] || return 0
	local sudo=
	if [ "$(id -u)" != 0 ]; then sudo='sudo -n'; fi
	if ! command -v apt-get >/dev/null || ! $sudo true 2>/dev/null; then
		printf 'lastref: please install:%s\n' "$missing" >&2
		printf '  sudo apt-get install --no-install-recommends%s\n' "$missing" >&2
		return 1
	fi
	printf 'lastref: installing%s\n' "$missing" >&2
	$sudo apt-get update -qq >&2
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

use_node() {
	need npm npm
	install_missing || exit 1
	missing=
	if [ "$(node -p 'process.versions.node.split(".")[0] >= 24' 2>/dev/null)" != true ]; then
		if [ ! -x "$root/.node/node_modules/node/bin/node" ]; then
			printf 'lastref: fetching Node 24 into .node\n' >&2
			mkdir -p "$root/.node"
			echo '{"private":true,"allowScripts":{"node":true}}' >"$root/.node/package.json"
			(cd "$root/.node" && npm install --no-audit --no-fund --loglevel=error node@24 >&2) || exit 1
		fi
		PATH="$root/.node/node_modules/node/bin:$PATH"
		export PATH
	fi
	# packages: again only when the lock file has changed
	local stamp="$root/node_modules/.package-lock.json"
	if [ ! -f "$stamp" ] || [ "$root/package-lock.json" -nt "$stamp" ]; then
		printf 'lastref: installing packages\n' >&2
		(cd "$root" && npm ci --no-audit --no-fund --loglevel=error >&2) || exit 1
		touch "$stamp"
	fi
}

build_page() { # only when a source is newer than what was built
	local built="$root/dashboard/dist/index.html"
	if [ -f "$built" ] && [ -z "$(find "$root/dashboard" "$root/server/protocol" -newer "$built" \
		-type f -not -path '*/dist/*' -print -quit)" ]; then
		return
	fi
	printf 'lastref: building the page\n' >&2
	(cd "$root" && npx vite build dashboard --logLevel error >&2) || exit 1
}
