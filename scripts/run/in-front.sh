# Read by the commands of bin, which stand in front of the system’s own inside a run.
# shellcheck shell=sh

# The system's command of that name: the next one of the PATH.
real() { # NAME [ARGUMENT..]
  name=$1
  shift
  here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
  IFS=:
  for folder in $PATH /usr/sbin /sbin; do
    if [ -x "$folder/$name" ] && [ "$folder" != "$here" ]; then
      unset IFS
      exec "$folder/$name" "$@"
    fi
  done
  echo "$name: not found" >&2
  exit 127
}

ours() { # COMMAND [ARGUMENT..]
  exec "$AP_SYSFS_NODE" "$AP_SYSFS_CLI" "$@"
}

# Names of the modules that the simulated kernel knows.
modules() {
  sed -n 's/^modules //p' "$AP_SYSFS/kernel/debug/ap_sim/about" 2>/dev/null
}

# Is it one of them? A dash is as good as an underscore.
known() { # NAME
  case " $(modules) ap " in
    *" $(echo "$1" | tr - _) "*) return 0 ;;
  esac
  return 1
}

# Is one of them named? Then the command is ours. A machine that does not answer does not tell: the host's modules of the
# same names must not be taken for its own.
simulated() { # ARGUMENT..
  if ! ls "$AP_SYSFS/bus" >/dev/null 2>&1; then
    echo "${0##*/}: the machine of this run does not answer" >&2
    exit 1
  fi
  for word; do
    case $word in
      -*) ;;
      *) if known "$word"; then return 0; fi ;;
    esac
  done
  return 1
}
