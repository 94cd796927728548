#!/bin/sh
# get-clients.sh [--all] [DEST]: real client programs for a mounted machine, without root and without installing anything.
#
# Unpacks into DEST (default: test/conformance/.clients in the clone; or $AP_SYSFS_CLIENTS):
#   s390x/  lszcrypt, chzcrypt, zcryptctl, lszdev, chzdev 2.40: the s390x binaries, with their libc
#   qemu/   qemu-s390x, which runs them on this processor
#   native/ mdevctl 1.4, with the libraries that it was built for
# and with --all, for test/clients:
#   s390x-2.35/, s390x-2.16/  older s390-tools, which run with the libc of s390x/; icainfo comes into s390x/
#   debian/ a small Debian 13 that nothing was installed in, only unpacked: udev, sysfsutils, driverctl, umockdev,
#           pyudev, mdevctl 1.4 and libvirt's nodedev, to be entered in name spaces
#   mdevctl-1.2/ that of Debian 12, to be run there (amd64 only)
# Run s390-tools on a mount with scripts/s390. What is there already is left alone: remove DEST to fetch again.
#
# The packages are Debian's: from sid, the small Debian from trixie, old ones by their checksum. The mirror is
# $DEBIAN_MIRROR, else that of the system's own apt sources. apt's state is kept apart, with s390x as a second
# architecture: the system's sources, lists and packages stay as they are, and nothing of this needs root.
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

all=
case ${1-} in
  --all)
    all=yes
    shift
    ;;
  -h | --help)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"
    exit 0
    ;;
  -*)
    echo "usage: $me [--all] [DEST]" >&2
    exit 2
    ;;
esac
dest=$(realpath -m -- "${1:-${AP_SYSFS_CLIENTS:-$here/../test/conformance/.clients}}")

all_there() { # DIRECTORY
  [ -x "$1/native/run-mdevctl" ] && [ -x "$1/s390x/usr/sbin/lszcrypt" ] && [ -x "$1/qemu/usr/bin/qemu-s390x" ] || return 1
  [ -z "$all" ] || { [ -x "$1/s390x-2.16/usr/sbin/lszcrypt" ] && [ -x "$1/debian/usr/bin/virsh" ]; }
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
cat > "$work/sources.list" << LIST
deb [arch=s390x,$native signed-by=$keys] $mirror sid main
deb [arch=$native signed-by=$keys] $mirror trixie main
LIST
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
Debug::NoLocking "true";
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
[ -z "$all" ] || for p in libica-utils libica4 libssl3t64 zlib1g libzstd1; do packages="$packages $p:s390x"; done
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
size='80 MB, keeping 30'
[ -z "$all" ] || size='140 MB, keeping 180'
echo "$me: fetching about $size:$wanted" >&2
cd "$work/get"
fetched() { # WORDS OF apt-get..
  apt-get -c "$work/apt.conf" -q=2 "$@" > "$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail 'the packages could not be fetched; what is missing stands above'
  }
}
# shellcheck disable=SC2086
fetched download $wanted

# Beside DEST first: whoever looks finds all or nothing.
mkdir -p "$(dirname "$dest")"
new=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work" "$new"' EXIT

unpack() { # PACKAGE DIRECTORY [MEMBER..]: without what is only read by people
  file=$1
  mkdir -p "$2"
  into=$2
  shift 2
  dpkg --fsys-tarfile "$file" | tar -x -C "$into" --wildcards --exclude './usr/share/doc' --exclude './usr/share/man' \
    --exclude './usr/share/locale' --exclude './usr/share/i18n' --exclude './usr/lib/*/gconv' --exclude './usr/lib/systemd/system' "$@"
}

# Programs name their loader by /lib, the packages of today bring it in /usr/lib; those of old days had both.
merge_usr() { # DIRECTORY
  for x in bin sbin lib lib64; do
    if [ -d "$1/$x" ] && ! [ -L "$1/$x" ]; then
      mkdir -p "$1/usr/$x"
      cp -a "$1/$x/." "$1/usr/$x/"
      rm -rf "${1:?}/$x"
    fi
    [ -e "$1/$x" ] || [ ! -d "$1/usr/$x" ] || ln -s "usr/$x" "$1/$x"
  done
}

for f in *_s390x.deb; do unpack "$f" "$new/s390x"; done
# Only one emulator out of thirty.
unpack qemu-user_*.deb "$new/qemu" './usr/bin/qemu-s390x*'
for f in mdevctl_*.deb libc6_*_"$native".deb libgcc-s1_*.deb; do unpack "$f" "$new/native"; done
merge_usr "$new/s390x"
merge_usr "$new/native"
loader=$(cd "$new/native" && find usr/lib -name 'ld-linux*.so*' | head -1)
libs=$(cd "$new/native" && dirname "$(find usr/lib -name 'libc.so.6' | head -1)")
cat > "$new/native/run-mdevctl" << RUN
#!/bin/sh
d=\$(dirname "\$0")
exec "\$d/$loader" --library-path "\$d/$libs" --argv0 mdevctl "\$d/usr/bin/mdevctl" "\$@"
RUN
chmod 755 "$new" "$new/native/run-mdevctl"

old() { # PATH IN THE POOL, SHA256, DIRECTORY: a package of a release whose list is not fetched
  /usr/lib/apt/apt-helper -c "$work/apt.conf" \
    download-file "${mirror%/}/pool/main/$1" "$work/old.deb" "SHA256:$2" > "$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail "$mirror has no pool/main/$1, or another one" 'tell the maintainers of ap-sysfs: the list of packages is out of date'
  }
  unpack "$work/old.deb" "$3"
  merge_usr "$3"
}

# A Debian to be entered: programs, and what they need according to their packages.
small_debian() {
  programs='bash dash coreutils findutils grep sed mawk util-linux bsdutils mount kmod udev sysfsutils driverctl/sid umockdev'
  programs="$programs python3-pyudev mdevctl libvirt-daemon-driver-nodedev libvirt-clients"
  # driverctl knows the empty driver_override of AP queues from 0.121 on.
  # shellcheck disable=SC2086
  fetched -y -t trixie --no-install-recommends --download-only install $programs
  for f in "$work"/cache/archives/*.deb; do unpack "$f" "$new/debian"; done
  merge_usr "$new/debian"
  # As their maintainer scripts would, as far as the programs need it; places for what is mounted over it.
  (
    cd "$new/debian"
    mkdir -p dev proc sys run tmp etc/mdevctl.d var/lib/libvirt var/cache/libvirt var/log
    printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' > etc/passwd
    # Those of udev's rules.
    printf '%s:x:%s:\n' root 0 tty 5 disk 6 lp 7 kmem 15 dialout 20 cdrom 24 tape 26 audio 29 video 44 input 101 sgx 102 \
      kvm 103 render 104 > etc/group
    rm -rf var/run var/lock
    ln -s /run var/run
    ln -s /run/lock var/lock
    ln -sf mawk usr/bin/awk
    ln -sf bash usr/bin/sh
  )
}

if [ -n "$all" ]; then
  old s/s390-tools/s390-tools_2.35.0-1_s390x.deb 86b0ce24fd0b9029a6410a439d5c0a5fab2ec98caa8e34f7fbb15c3324d716d6 "$new/s390x-2.35"
  old s/s390-tools/s390-tools_2.16.0-2_s390x.deb 9acad8395f1b81e495da173f8178d7a34213dd074021cb4ceccceec9b9c5b037 "$new/s390x-2.16"
  if [ "$native" = amd64 ]; then
    old m/mdevctl/mdevctl_1.2.0-3+b1_amd64.deb 182e8a3765954b53e31bd484f6d3127a943054dd21b45b1a54ebdb236d32a4e2 "$new/mdevctl-1.2"
  fi
  small_debian
fi

all_there "$new" || fail "the packages do not have what was expected in them: $wanted"
rm -rf "$dest"
mv -T "$new" "$dest"
how_to_use
