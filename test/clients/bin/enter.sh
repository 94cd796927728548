#!/bin/sh
# enter.sh DEBIAN MOUNT WORK: furnishes name spaces in which DEBIAN is the system and MOUNT its /sys.
#
# Started in new mount, process and network name spaces; keeps them until its standard input ends. Their root is DEBIAN
# with a layer of its own above, so that nothing of it is changed, and nothing of the host is seen; devices are the usual
# harmless ones, and udev's rules find nothing else. /mnt/bin has what is in the directory of this script, /mnt/clients
# what is beside DEBIAN. /sys is a sysfs (statfs and /proc/mounts say so) whose directories of drivers, classes, devices
# and modules are those of MOUNT.
set -eu
debian=$1 mount=$2 work=$3
root=$work/root

mount -t tmpfs -o mode=755 ap-sysfs "$work"
mkdir "$work/upper" "$work/layer" "$root"
mount -t overlay -o "lowerdir=$debian,upperdir=$work/upper,workdir=$work/layer" overlay "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do
  : > "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts"
ln -s /proc/self/fd "$root/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${n%:*}" "$root/dev/${n#*:}"; done
mount -t tmpfs -o mode=755 run "$root/run"
mkdir "$root/run/lock"
mount -t tmpfs tmp "$root/tmp"
mount -t sysfs sysfs "$root/sys"
for directory in bus class devices module kernel/debug kernel/iommu_groups dev/char; do
  [ ! -d "$root/sys/$directory" ] || mount --bind "$mount/$directory" "$root/sys/$directory"
done
mkdir -p "$root/mnt/bin" "$root/mnt/clients" "$root/mnt/old"
mount --bind "$(dirname "$(realpath "$0")")" "$root/mnt/bin"
mount --bind "$(dirname "$debian")" "$root/mnt/clients"
# Of the first process too: udev's programs do nothing where its root is another one than theirs.
cd "$root"
pivot_root . mnt/old
umount -l /mnt/old
echo ready
exec cat > /dev/null
