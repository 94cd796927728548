#!/bin/sh
# get-clients.sh [DEST]: the real client programs that the conformance replay runs.
#
# Unpacks (never installs) into DEST, default test/conformance/.clients:
#   s390x/  lszcrypt, chzcrypt, zcryptctl 2.40 as IBM's s390x binaries, with their libc
#   qemu/   qemu-s390x, which runs them
#   native/ mdevctl 1.4, with the libraries that it was built for
# Packages come from the mirror of the system's own apt sources, other releases
# of the same distribution; apt's state is kept apart, nothing of the system changes.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
dest=$(realpath -m "${1:-$here/../test/conformance/.clients}")
s390_tools=2.40

[ -x "$dest/native/run-mdevctl" ] && [ -x "$dest/s390x/usr/sbin/lszcrypt" ] && [ -x "$dest/qemu/usr/bin/qemu-s390x" ] && exit 0

mirror=$(apt-get indextargets --format '$(ORIGIN) $(SUITE) $(REPO_URI)' 'Created-By: Packages' |
  awk '$1 == "Debian" && $NF !~ /security/ { print $NF; exit }')
if [ -z "$mirror" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/\?$' | head -1)
fi
[ -n "$mirror" ] || { echo "$0: the system's apt sources name no Debian mirror" >&2; exit 1; }
native=$(dpkg --print-architecture)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/get"
: > "$work/status"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [arch=s390x,$native signed-by=$keys] $mirror sid main" > "$work/sources.list"
cat > "$work/apt.conf" <<CONF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "$work/state";
Dir::State::Status "$work/status";
Dir::Cache "$work/cache";
APT::Architectures { "$native"; "s390x"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
export APT_CONFIG="$work/apt.conf"
apt-get -q update

newest() { # PACKAGE [VERSION PREFIX]
  apt-cache madison "$1" | awk '{ print $3 }' | grep "^${2:-}" | sort -V | tail -1
}
cd "$work/get"
get() { apt-get -q download "$1=$(newest "$1" "${2:-}")"; }
get s390-tools:s390x "$s390_tools"
get libc6:s390x
get libjson-c5:s390x
for p in qemu-user mdevctl libc6 libgcc-s1; do get "$p:$native"; done

rm -rf "$dest"
mkdir -p "$dest/s390x" "$dest/qemu" "$dest/native"
for f in *_s390x.deb; do dpkg -x "$f" "$dest/s390x"; done
for f in qemu-user_*.deb; do dpkg --fsys-tarfile "$f" | tar -x -C "$dest/qemu" --wildcards './usr/bin/qemu-s390x*'; done
for f in mdevctl_*.deb libc6_*_"$native".deb libgcc-s1_*.deb; do dpkg -x "$f" "$dest/native"; done
for tree in s390x native; do
  for x in bin sbin lib lib64; do
    [ -e "$dest/$tree/$x" ] || [ ! -d "$dest/$tree/usr/$x" ] || ln -s "usr/$x" "$dest/$tree/$x"
  done
done
loader=$(cd "$dest/native" && find usr/lib -name 'ld-linux*.so*' | head -1)
libs=$(cd "$dest/native" && dirname "$(find usr/lib -name 'libc.so.6' | head -1)")
cat > "$dest/native/run-mdevctl" <<RUN
#!/bin/sh
d=\$(dirname "\$0")
exec "\$d/$loader" --library-path "\$d/$libs" --argv0 mdevctl "\$d/usr/bin/mdevctl" "\$@"
RUN
chmod 755 "$dest/native/run-mdevctl"
