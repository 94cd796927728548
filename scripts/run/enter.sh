#!/bin/sh
# enter.sh STAGE COMMAND [ARGUMENT..]: puts the machine into /sys and /dev of this mount name space, and becomes COMMAND.
#
# The daemon has written down what is mounted where. Nothing of the stage stays to be seen.
set -u
stage=$1
shift
# Some of the host's things may be gone since, or not be for this user.
mount -n -a -T "$stage/fstab-inward" >/dev/null 2>&1
# One by one: `mount -a` would take those of a run around this one for ours, and leave them out.
while read -r from to _; do
  mount -n --rbind "$from" "$to" || exit 19
done <"$stage/fstab-outward"
echo $$ >"$stage/pid"
umount -n -l "$stage"
# Who was in /sys is in the new one.
cd "$PWD" 2>/dev/null || :
exec "$@"
