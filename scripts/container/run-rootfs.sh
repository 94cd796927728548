#!/bin/sh
# run-rootfs.sh DIR [-u root] [--no-fuse] [--no-sys-admin] [OPTION..] [COMMAND [ARGUMENT..]]: what
# `docker run --rm --device /dev/fuse --cap-add SYS_ADMIN IMAGE ..` does with the image, done with a root file system
# that build-rootfs.sh made; as root.
#
# Mounts and processes in name spaces of their own, which end with the command; a /dev of its own; the capabilities of a
# container, and no others. No network of its own, no seccomp, no AppArmor. --no-fuse and --no-sys-admin leave out what
# the two options of docker run give, to see what the entrypoint says then.
set -eu

if [ "${1-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || { echo 'run-rootfs.sh: only root can do this' >&2; exit 1; }
  [ -x "${1-}/usr/local/bin/ap-sysfs-entrypoint" ] || {
    echo 'usage: run-rootfs.sh DIR [-u root] [--no-fuse] [--no-sys-admin] [OPTION..] [COMMAND [ARGUMENT..]]' >&2
    exit 2
  }
  exec unshare --mount --pid --uts --ipc --fork --kill-child --propagation private "$0" --inside "$@"
fi

root=$(realpath -- "$2")
shift 2
user=ap
fuse=true
# As in a container that is given nothing; and one more.
capabilities=+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw
capabilities=$capabilities,+sys_chroot,+mknod,+audit_write,+setfcap
sys_admin=,+sys_admin
while :; do
  case ${1-} in
    -u)
      user=$2
      shift 2
      ;;
    --no-fuse)
      fuse=false
      shift
      ;;
    --no-sys-admin)
      sys_admin=
      shift
      ;;
    *) break ;;
  esac
done

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0' 'fuse 10 229'; do
  # shellcheck disable=SC2086 # three words
  set_node() { mknod -m 666 "$root/dev/$1" c "$2" "$3"; }
  case $node in fuse*) $fuse || continue ;; esac
  # shellcheck disable=SC2086
  set_node $node
done
ln -s /proc/self/fd "$root/dev/fd"
for n in 0 1 2; do ln -s "/proc/self/fd/$n" "$root/dev/$(echo 'stdin stdout stderr' | cut -d' ' -f$((n + 1)))"; done
# Docker makes it too; fusermount3 looks there.
ln -sf /proc/mounts "$root/etc/mtab"
home=$(awk -F: -v user="$user" '$1 == user { print $6 }' "$root/etc/passwd")
cd "$root"
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" TERM="${TERM:-dumb}" \
  setpriv --bounding-set="-all,$capabilities$sys_admin" --inh-caps=-all \
  chroot --userspec="$user" "$root" /usr/local/bin/ap-sysfs-entrypoint "$@"
