#!/bin/sh
# init.sh STAGE NODE DAEMON WORDS HELPER SCRIPT COMMAND [ARGUMENT..]: the first process of a run.
#
# Runs in name spaces of its own (scripts/run/namespace.ts makes them): serves the machine in this one, where /sys
# stays the host's, and starts COMMAND in a further one, where it is composed (enter.sh). Gathers orphans, as a first
# process must; with its end the kernel ends all that is left, and the mounts go with the last process.
#
#   STAGE    an existing directory that may be covered: scratch of the run, seen by nobody else
#   WORDS    what the daemon is told (daemon.ts); its standard input is our descriptor 4
#   HELPER   program that passes events on, with its SCRIPT; empty: none
#
# Descriptor 3 is the leash: a line is a signal for COMMAND, its end is the end of all.
# Exit status: the command's; before it has begun, that of the daemon, or 19.
set -u
stage=$1 node=$2 daemon=$3 words=$4 helper=$5 script=$6
shift 6
here=${0%/*}

mount -n -t tmpfs -o mode=755,size=8m,nosuid,nodev ap-sysfs-run "$stage" || exit 19
mkdir "$stage/sys" "$stage/dev" "$stage/nodes" || exit 19
mount -n -t tmpfs -o mode=755,size=8m,nosuid,nodev ap-sysfs-dev "$stage/dev" || exit 19
mount -n -t tmpfs -o mode=755,size=1m,nosuid,noexec ap-sysfs-nodes "$stage/nodes" || exit 19
# Where commands inside note machines that they mount: those noted outside are of processes that nobody sees here.
mkdir -m 1777 "$stage/dev/.ap-sysfs" || exit 19
mkfifo "$stage/ready" "$stage/uevents" || exit 19

setsid sh "$here/leash.sh" "$stage" <&3 >/dev/null 2>&1 4<&- &
if [ -n "$helper" ]; then setsid "$helper" "$script" <"$stage/uevents" >/dev/null 3<&- 4<&- & fi
# Outside the terminal's process group: Ctrl-C is for the command.
setsid "$node" "$daemon" "$words" <&4 >"$stage/ready" 3<&- 4<&- &
served=$!
if ! read -r _ <"$stage/ready"; then
  wait "$served"
  exit
fi
# A shell tells on stderr when a signal has ended a command; whoever started the run will see that himself.
exec 5>&2 2>/dev/null
(exec unshare --mount -- sh "$here/enter.sh" "$stage" "$@" 2>&5 3<&- 4<&- 5>&-)
exit
