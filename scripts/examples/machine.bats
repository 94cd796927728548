#!/usr/bin/env bats
# Tests of a shell program on a simulated machine, with bats.
#
#   npm install --no-save ap-sysfs && PATH=$PWD/node_modules/.bin:$PATH bats machine.bats
#
# What it needs, and why: /dev/fuse, for the mount; to be root, or libfuse2 and fuse3; bats 1.5 or newer, whose
# BATS_TEST_TMPDIR is a test's own, so that `bats --jobs` may run several machines side by side.

bats_require_minimum_version 1.5.0

setup() { # each test has a machine of its own: nothing to clean up, nothing left over from the one before
  SYS=$BATS_TEST_TMPDIR/sys
  mkdir "$SYS"
  cat > "$BATS_TEST_TMPDIR/machine.yaml" << 'MACHINE'
adapters:
  - { id: 0-1, type: cex8, mode: cca }
domains: { usage: "4, 6" }
clock: auto   # waits are over at once: no test sleeps
MACHINE
  # Descriptor 3 is bats' own; a daemon that kept it would keep bats waiting.
  ap-sysfs mount "$SYS" --machine "$BATS_TEST_TMPDIR/machine.yaml" > /dev/null 3>&-
  export SYSFS_ROOT=$SYS AP_SYSFS=$SYS
}

teardown() { # also of a test that failed
  ap-sysfs umount "$SYS" > /dev/null
}

@test "a card is given up, and its queues go to vfio_ap" {
  echo -1 > "$SYS/bus/ap/apmask"
  run -0 ls "$SYS/bus/ap/drivers/vfio_ap"
  [[ "$output" == *01.0004* && "$output" == *01.0006* ]]
  [[ "$output" != *00.0004* ]]
}

@test "a value that the kernel refuses is an error here too" {
  run -1 bash -c "echo 2 > $SYS/bus/ap/config_time"
  [[ "$output" == *'Invalid argument'* ]]
}

@test "what happens when the hardware goes away" {
  ap-sysfs hw card 0 deconfigure
  [ "$(cat "$SYS/devices/ap/card00/config")" = 0 ]
}

@test "who wrote what is in the trace" {
  echo 60 > "$SYS/bus/ap/config_time"
  run -0 ap-sysfs trace --stores --json
  [[ "$output" == *'"path":"bus/ap/config_time","value":"60\n"'*'"result":"ok"'* ]]
}
