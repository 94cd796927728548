#!/bin/bash
# The procedure of the kernel's guide to vfio-ap (Documentation/arch/s390/vfio-ap.rst), typed as root would at a real
# machine: three guests get queues of two adapters, run, and give them back.
#
#   ap-sysfs run --machine scripts/demos/three-guests.yaml -- scripts/demos/three-guests.sh
#
#   guest 1: 05.0004 05.00ab 06.0004 06.00ab     guest 2: 05.0047 05.00ff     guest 3: 06.0047 06.00ff
#
# Guests are what QEMU would be: `ap-sysfs guest start` opens the mediated device, sets KVM, and boots.
set -u
AP=/sys/bus/ap
MATRIX=/sys/devices/vfio_ap/matrix
TYPE=$MATRIX/mdev_supported_types/vfio_ap-passthrough
G1=11111111-0000-4000-8000-000000000001
G2=22222222-0000-4000-8000-000000000002
G3=33333333-0000-4000-8000-000000000003

say() { echo; echo "== $1"; }
# Types a line, and tells what the kernel says to it.
put() { # WORD FILE
  local answer
  if answer=$({ echo "$1" >"$2"; } 2>&1); then answer=; else answer=" -> ${answer##*: }"; fi
  echo "echo $1 > ${2#/sys/}$answer"
}
drivers() {
  for queue in "$AP"/devices/??.????; do
    printf '%s=%s ' "${queue##*/}" "$(basename "$(readlink "$queue/driver")")"
  done
  echo
}
matrix() { # UUID WHICH
  echo "${1%%-*} $2: $(tr '\n' ' ' <"$MATRIX/$1/$2")"
}

say 'the drivers are loaded, and the matrix device is there'
modprobe vfio_ap
ls -d "$MATRIX"
cat "$TYPE/device_api" "$TYPE/name"

say 'the queues are taken from the host: adapters 5 and 6, domains 4, 0x47, 0xab, 0xff'
drivers
put -5,-6 "$AP/apmask"
put -4,-0x47,-0xab,-0xff "$AP/aqmask"
cut -c 1-12 "$AP/apmask"
drivers

say 'three mediated devices'
for guest in "$G1" "$G2" "$G3"; do put "$guest" "$TYPE/create"; done
ls "$TYPE/devices"
cat "$TYPE/available_instances"

say 'guest 1'
put 5 "$MATRIX/$G1/assign_adapter"
put 6 "$MATRIX/$G1/assign_adapter"
put 4 "$MATRIX/$G1/assign_domain"
put 0xab "$MATRIX/$G1/assign_domain"
put 4 "$MATRIX/$G1/assign_control_domain"
put 0xab "$MATRIX/$G1/assign_control_domain"
matrix "$G1" matrix
matrix "$G1" control_domains

say 'guest 2; it cannot have what guest 1 has'
put 5 "$MATRIX/$G2/assign_adapter"
put 0x47 "$MATRIX/$G2/assign_domain"
put 0xff "$MATRIX/$G2/assign_domain"
put 4 "$MATRIX/$G2/assign_domain"
matrix "$G2" matrix

say 'guest 3; nor what is beyond the machine'
put 6 "$MATRIX/$G3/assign_adapter"
put 0x47 "$MATRIX/$G3/assign_domain"
put 0xff "$MATRIX/$G3/assign_domain"
put 0x100 "$MATRIX/$G3/assign_domain"
matrix "$G3" matrix

say 'the guests are started'
for guest in "$G1" "$G2" "$G3"; do ap-sysfs guest start "$guest" && matrix "$guest" guest_matrix; done
cat "$AP/devices/05.0004/status" "$AP/devices/05.0000/status"
put -6 "$AP/apmask"
put +6 "$AP/apmask"

say 'an adapter is unplugged from a running guest, and plugged in again'
put 6 "$MATRIX/$G1/unassign_adapter"
matrix "$G1" guest_matrix
put 6 "$MATRIX/$G1/assign_adapter"
matrix "$G1" guest_matrix

say 'the guests end, the mediated devices go, the host has its queues again'
for guest in "$G1" "$G2" "$G3"; do
  ap-sysfs guest exit "$guest"
  put 1 "$MATRIX/$guest/remove"
done
ls "$TYPE/devices"
put +5,+6 "$AP/apmask"
put +4,+0x47,+0xab,+0xff "$AP/aqmask"
drivers
rmmod vfio_ap
[ -e "$MATRIX" ] || echo 'the matrix device is gone'
