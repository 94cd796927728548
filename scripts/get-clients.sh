#!/bin/sh
# get-clients.sh [DEST]: real client programs for a mounted machine, without root and without installing anything.
#
# Unpacks into DEST (default: test/conformance/.clients in the clone; or $AP_SYSFS_CLIENTS):
#   s390x/  lszcrypt, chzcrypt, zcryptctl 2.40: the s390x binaries, with their libc
#   qemu/   qemu-s390x, which runs them on this processor
#   native/ mdevctl 1.4, with the libraries that it was built for
# Run them on a mount with scripts/s390. What is there already is left alone: remove DEST to fetch again.
#
# The packages are Debian's (sid). The mirror is $DEBIAN_MIRROR, else that of the system's own apt sources. apt's
# state is kept apart, with s390x as a second architecture: the system's sources, lists and packages stay as they are,
# and nothing of this needs root.
#
# Exit status: 0 the programs are there; 1 they could not be had (the reason, and what to do, on stderr); 2 usage.
set -eu
me=scripts/get-clients.sh
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
s390_tools=2.40
keys=/usr/share/keyrings/debian-archive-keyring.gpg

fail() { # WHAT [WHAT TO DO..]
  echo "$me: $1" >&2
  shift
  for line; do echo "  $line" >&2; done
  exit 1
}

case ${1-} in
  -h | --help)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"
    exit 0
    ;;
  -*)
    echo "usage: $me [DEST]" >&2
    exit 2
    ;;
esac
dest=$(realpath -m -- "${1:-${AP_SYSFS_CLIENTS:-$here/../test/conformance/.clients}}")

all_there() { # DIRECTORY
  [ -x "$1/native/run-mdevctl" ] && [ -x "$1/s390x/usr/sbin/lszcrypt" ] && [ -x "$1/qemu/usr/bin/qemu-s390x" ]
}

how_to_use() {
  cat << TEXT
The client programs are in $dest
Run one on a mounted machine (--sys DIR, else \$AP_SYSFS, else the only one mounted):
  scripts/s390 lszcrypt -V
  scripts/s390 chzcrypt -d 03
TEXT
}

if all_there "$dest"; then
  how_to_use
  exit 0
fi

mirror=$("$here/debian-mirror.sh") || fail 'the programs come as packages of Debian; what is missing stands above'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/get"
: > "$work/status"
native=$(dpkg --print-architecture)
echo "deb [arch=s390x,$native signed-by=$keys] $mirror sid main" > "$work/sources.list"
# Read after the system's own settings: proxies and the like stay, but no cache of theirs is used or switched off.
cat > "$work/apt.conf" << CONF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "$work/state";
Dir::State::Status "$work/status";
Dir::Cache "$work/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
APT::Architectures { "$native"; "s390x"; };
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF

echo "$me: asking $mirror for the packages" >&2
apt-get -c "$work/apt.conf" -q=2 update > "$work/log" 2>&1 || {
  cat "$work/log" >&2
  fail "the lists of packages could not be fetched from $mirror" \
    "is the network there? Another mirror: DEBIAN_MIRROR=http://MIRROR/debian $me"
}

packages="s390-tools:s390x libc6:s390x libjson-c5:s390x"
for p in qemu-user mdevctl libc6 libgcc-s1; do packages="$packages $p:$native"; done
# shellcheck disable=SC2086 # the list is one of words
apt-cache -c "$work/apt.conf" madison $packages > "$work/versions"

newest() { # PACKAGE:ARCHITECTURE [VERSION PREFIX]
  awk -v want="$1" -v prefix="${2-}" '
    BEGIN { split(want, w, ":") }
    ($1 == want || $1 == w[1]) && index($3, prefix) == 1 && $0 ~ (" " w[2] " Packages$") { print $3 }' "$work/versions" |
    sort -V | tail -1
}

wanted=
for p in $packages; do
  prefix=
  [ "$p" != s390-tools:s390x ] || prefix=$s390_tools
  version=$(newest "$p" "$prefix")
  if [ -z "$version" ] && [ -n "$prefix" ]; then
    version=$(newest "$p")
    [ -z "$version" ] || echo "$me: s390-tools $s390_tools is there no more; taking $version" >&2
  fi
  [ -n "$version" ] || fail "$mirror has no $p $prefix" 'tell the maintainers of ap-sysfs: the list of packages is out of date'
  wanted="$wanted $p=$version"
done
echo "$me: fetching about 80 MB, keeping 30:$wanted" >&2
cd "$work/get"
# shellcheck disable=SC2086
apt-get -c "$work/apt.conf" -q=2 download $wanted > "$work/log" 2>&1 || {
  cat "$work/log" >&2
  fail 'the packages could not be fetched; what is missing stands above'
}

# Beside DEST first: whoever looks finds all or nothing.
mkdir -p "$(dirname "$dest")"
new=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work" "$new"' EXIT
mkdir "$new/s390x" "$new/qemu" "$new/native"
for f in *_s390x.deb; do dpkg -x "$f" "$new/s390x"; done
for f in qemu-user_*.deb; do
  # Only one emulator out of thirty.
  dpkg --fsys-tarfile "$f" | tar -x -C "$new/qemu" --wildcards './usr/bin/qemu-s390x*'
done
for f in mdevctl_*.deb libc6_*_"$native".deb libgcc-s1_*.deb; do dpkg -x "$f" "$new/native"; done
# The programs name their loader by /lib, the packages bring it in /usr/lib.
for tree in s390x native; do
  for x in bin sbin lib lib64; do
    [ -e "$new/$tree/$x" ] || [ ! -d "$new/$tree/usr/$x" ] || ln -s "usr/$x" "$new/$tree/$x"
  done
done
loader=$(cd "$new/native" && find usr/lib -name 'ld-linux*.so*' | head -1)
libs=$(cd "$new/native" && dirname "$(find usr/lib -name 'libc.so.6' | head -1)")
cat > "$new/native/run-mdevctl" << RUN
#!/bin/sh
d=\$(dirname "\$0")
exec "\$d/$loader" --library-path "\$d/$libs" --argv0 mdevctl "\$d/usr/bin/mdevctl" "\$@"
RUN
chmod 755 "$new" "$new/native/run-mdevctl"
all_there "$new" || fail "the packages do not have what was expected in them: $wanted"
rm -rf "$dest"
mv -T "$new" "$dest"
how_to_use
