#!/bin/sh
# leash.sh STAGE: passes signals on to the command of a run, one a line; at the end of its input nothing survives.
#
# The kernel closes the other end with whoever holds it: also when that is killed.
while read -r signal; do
  pid=$(cat "$1/pid" 2>/dev/null) || break
  kill -s "$signal" "$pid"
done
kill -s KILL -- -1
