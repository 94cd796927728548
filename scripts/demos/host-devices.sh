#!/bin/bash
# What IBM's book "Device Drivers, Features, and Commands" has root do with cryptographic devices of a host, by sysfs:
# look at them, set them offline and online, choose the default domain, set how queues are polled, make further device
# nodes with less rights, reserve queues for guests by a whole mask and return them.
#
#   ap-sysfs run -- scripts/demos/host-devices.sh
set -u
AP=/sys/bus/ap
say() { echo; echo "== $1"; }
put() { # WORD FILE
  local answer
  if answer=$({ echo "$1" >"$2"; } 2>&1); then answer=; else answer=" -> ${answer##*: }"; fi
  echo "echo $1 > ${2#/sys/}$answer"
}
see() { for file; do echo "${file#/sys/}: $(cat "$file")"; done; }
mask() { # BITS OF THE FIRST EIGHT IDS, IN HEXADECIMAL
  printf '0x%s%s' "$1" "$(printf 'f%.0s' {1..62})"
}
driver() { echo "$1: $(basename "$(readlink "$AP/devices/$1/driver")")"; }

say 'cards and queues'
ls "$AP/devices"
see "$AP"/devices/card00/{type,hwtype,depth,online,config,chkstop,modalias}

say 'a queue offline, then a card with all its queues'
put 0 "$AP/devices/00.0004/online"
see "$AP"/devices/00.000?/online
put 0 "$AP/devices/card00/online"
see "$AP"/devices/00.000?/online
put 1 "$AP/devices/card00/online"
see "$AP"/devices/00.000?/online

say 'a card deconfigured: it cannot be set online'
put 0 "$AP/devices/card03/config"
see "$AP"/devices/card03/{config,online}
put 1 "$AP/devices/card03/online"
put 1 "$AP/devices/card03/config"
put 1 "$AP/devices/card03/online"
see "$AP"/devices/card03/{config,online}

say 'the default domain; the kernel does not ask whether it is there'
see "$AP/ap_domain"
put 6 "$AP/ap_domain"
see "$AP/ap_domain"
put 7 "$AP/ap_domain"

say 'polling and scanning'
see "$AP"/{poll_thread,poll_timeout,config_time}
put 1 "$AP/poll_thread"
put 0 "$AP/poll_thread"
put 120 "$AP/config_time"
put 4 "$AP/config_time"
see "$AP"/{poll_thread,config_time}

say 'a further device node, for RSA on one queue'
put rsa-only /sys/class/zcrypt/create
put rsa-only /sys/class/zcrypt/create
put +2 /sys/class/zcrypt/rsa-only/apmask
put +6 /sys/class/zcrypt/rsa-only/aqmask
put +5 /sys/class/zcrypt/rsa-only/ioctlmask
cut -c 1-10 /sys/class/zcrypt/rsa-only/{apmask,aqmask,ioctlmask}
[ -c /dev/rsa-only ] && echo '/dev/rsa-only is there'
put rsa-only /sys/class/zcrypt/destroy
[ -e /dev/rsa-only ] || echo '/dev/rsa-only is gone'

say 'queues reserved for guests, by a whole mask, and returned'
see "$AP/apmask"
put "$(mask 3f)" "$AP/apmask"
driver 00.0004
driver 01.0006
driver 02.0004
put "$(mask ff)" "$AP/apmask"
driver 00.0004
put 0xf0 "$AP/apmask"
see "$AP/apmask"
put +256 "$AP/apmask"
put "$(mask ff)" "$AP/apmask"
driver 00.0004
