#!/bin/sh
# build-rootfs.sh DIR [--built]: the root file system of the image, without Docker; as root, on Debian or Ubuntu.
#
# The same Debian with the same packages as in the Dockerfile, from the mirror of the system's own apt sources
# ($DEBIAN_MIRROR), and the same scripts over it. DIR is new, or one that this script has built: then only ap-sysfs in
# it is made anew. --built: dist/ is up to date, do not compile. Needs mmdebstrap, and about 300 MB.
#
# scripts/container/run-rootfs.sh DIR [OPTION..] [COMMAND..] runs it.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
suite=trixie

fail() { # WHAT
  echo "build-rootfs.sh: $1" >&2
  exit 1
}

case ${1-} in
  '' | -*)
    echo 'usage: build-rootfs.sh DIR [--built]' >&2
    exit 2
    ;;
esac
[ "$(id -u)" = 0 ] || fail 'only root can build a root file system'
root=$(realpath -m -- "$1")
ready=$root/opt/.packages-are-there

if ! [ -e "$ready" ]; then
  command -v mmdebstrap > /dev/null || fail 'mmdebstrap is missing: apt-get install mmdebstrap'
  mirror=$("$here/../debian-mirror.sh") || exit 1
  packages=$(paste -sd, "$here/packages.txt")
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # Documentation is left out as in the image that Docker begins with. What mmdebstrap mounts must not outlive it.
  unshare --mount --propagation private mmdebstrap --mode=root --variant=minbase --include="$packages" \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$root" \
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$log" 2>&1 || {
    cat "$log" >&2
    fail "the packages could not be installed into $root; what is wrong stands above"
  }
  install -m 755 "$here/prepare.sh" "$root/tmp/prepare.sh"
  chroot "$root" /tmp/prepare.sh
  rm "$root/tmp/prepare.sh"
  : > "$ready"
fi
"$here/install.sh" "$root/opt/ap-sysfs" ${2:+"$2"}
install -m 755 "$here/entrypoint.sh" "$root/usr/local/bin/ap-sysfs-entrypoint"
