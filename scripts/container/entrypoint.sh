#!/bin/bash
# ap-sysfs-entrypoint [OPTION..] [COMMAND [ARGUMENT..]]
#
# Mounts a machine on $AP_SYSFS (/mnt/sys), goes there, and runs the command, or a shell if there is none. The machine
# goes away with the container. The container needs --device /dev/fuse --cap-add SYS_ADMIN.
#
#   --machine FILE|PRESET   default, small, large, full, or a machine file (bring it in with -v)
#   --kernel VERSION        7.2, 6.12 or 6.1
#   --owner OWNER           root, me or UID:GID: whom the files belong to (default: the user of the container)
#   --at-sys                put the tree over /sys too, for programs that look nowhere else; wants `docker run -u root`
#   --help                  this text
#
# Examples:
#   docker run --rm -it --device /dev/fuse --cap-add SYS_ADMIN ap-sysfs
#   docker run --rm --device /dev/fuse --cap-add SYS_ADMIN ap-sysfs --machine large ap-sysfs show
#   docker run --rm --device /dev/fuse --cap-add SYS_ADMIN ap-sysfs sh -c 'echo -3 > bus/ap/apmask; cat bus/ap/apmask'
#   docker run --rm -u root --device /dev/fuse --cap-add SYS_ADMIN ap-sysfs --at-sys ls /sys/bus/ap/devices
#
# Exit status: the command's; 2 for a wrong option; 10 to 19 if the machine could not be mounted (ap-sysfs --help).
set -euo pipefail
export AP_SYSFS=${AP_SYSFS:-/mnt/sys}
options=(--allow-other)
at_sys=false

usage() { # WHAT IS WRONG
  echo "ap-sysfs-entrypoint: $1; --help says what there is" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --help)
      sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "$0"
      exit 0
      ;;
    --machine | --kernel | --owner)
      [ $# -ge 2 ] || usage "$1 needs a value"
      options+=("$1" "$2")
      shift 2
      ;;
    --machine=* | --kernel=* | --owner=*)
      options+=("$1")
      shift
      ;;
    --at-sys)
      at_sys=true
      shift
      ;;
    --)
      shift
      break
      ;;
    -*) usage "there is no option $1" ;;
    *) break ;;
  esac
done
if $at_sys && [ "$(id -u)" != 0 ]; then usage '--at-sys wants to be root (docker run -u root)'; fi

status_of() { # FIELD of this process
  awk -v field="$1:" '$1 == field { print $2 }' /proc/self/status
}

# What the container lacks, in the words of docker run. Bit 21 is CAP_SYS_ADMIN.
lacks() {
  if ! [ -e /dev/fuse ]; then
    echo '  the container has no /dev/fuse: docker run --device /dev/fuse ..'
  elif [ $((0x$(status_of CapBnd) >> 21 & 1)) = 0 ]; then
    echo '  the container may not mount: docker run --cap-add SYS_ADMIN ..'
  elif [ "$(id -u)" != 0 ] && [ "$(status_of NoNewPrivs)" = 1 ]; then
    echo '  fusermount3 may not become root here: docker run without no-new-privileges, or with -u root'
  else
    echo '  if the host confines containers with AppArmor: docker run --security-opt apparmor=unconfined ..'
  fi
}

status=0
words=$(ap-sysfs mount "${options[@]}" "$AP_SYSFS") || status=$?
if [ "$status" != 0 ]; then
  # A wrong machine or option has been explained; a mount that fails here may have reasons of the container.
  [ "$status" -lt 10 ] || lacks >&2
  exit "$status"
fi
cd "$AP_SYSFS"
if [ $# = 0 ]; then
  if [ -t 0 ]; then echo "$words"; fi
  set -- bash
fi
# The daemon ends with the container: with the process that this becomes.
if $at_sys; then
  # The daemon must not see it there: the C library reads /sys/devices/system/cpu when a thread first wants memory, and
  # a thread that serves the tree would wait for itself.
  # shellcheck disable=SC2016 # for the inner shell
  exec unshare --mount --propagation slave sh -c 'mount --bind "$AP_SYSFS" /sys && exec "$@"' at-sys "$@"
fi
exec "$@"
