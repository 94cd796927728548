#!/bin/bash
# A guest's matrix from the first assignment to the last close, by echo and cat.
#
# Usage: worked-example.sh SYS   (SYS: where the machine is mounted)
# The machine needs cards 05 and 06 (CEX8 CCA) and domains 0004 and 00ab; the
# script plugs them. Every step prints what it did and what came of it, the way
# the real machine would answer.
set -u
SYS=${1:?usage: worked-example.sh SYS}
SIM=$SYS/kernel/debug/ap_sim
B=$SYS/bus/ap
D=$SYS/devices/ap
P=$SYS/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough
U1=11111111-1111-4111-8111-111111111111
U2=22222222-2222-4222-8222-222222222222
M1=$SYS/devices/vfio_ap/matrix/$U1
M2=$SYS/devices/vfio_ap/matrix/$U2

# Writes a word to a file and says what the kernel answered.
put() {
  local answer
  if answer=$( { echo "$1" > "$2"; } 2>&1); then answer=ok; else answer=${answer##*: }; fi
  echo "echo $1 > ${2#"$SYS"/}: $answer"
}
# Prints what a file says, on one line.
see() { echo "  ${1##*/}: $(tr '\n' ' ' < "$1")"; }
matrices() { see "$M1/matrix"; see "$M1/guest_matrix"; }
driver() { echo "  $1: $(basename "$(readlink "$D/card${1%.*}/$1/driver" || echo none)")"; }
hw() { echo "$1" > "$SIM/hw"; echo settle > "$SIM/clock"; }

for card in 0 1 2 3; do hw "card $card remove"; done
for domain in 6 0x1b 0x47; do hw "domain $domain remove"; done
hw 'domain 0xab add'
hw 'card 5 add cex8 cca; card 6 add cex8 cca'

echo '== a matrix may only hold queues that the host has given up'
put "$U1" "$P/create"
put 5 "$M1/assign_adapter"
matrices
put 4 "$M1/assign_domain"
put -5 "$B/apmask"
driver 05.0004
driver 05.00ab
see "$D/card05/05.0004/status"
put 4 "$M1/assign_domain"
matrices
see "$D/card05/05.0004/status"
put 0xab "$M1/assign_domain"
matrices

echo '== over-provisioning: a domain that the host does not have'
put 7 "$M1/assign_domain"
matrices

echo '== no sharing, and no taking back what is assigned'
put "$U2" "$P/create"
put 4 "$M2/assign_domain"
put 5 "$M2/assign_adapter"
put +5 "$B/apmask"

echo '== a queue that leaves takes its adapter out of the guest'
put 05.00ab "$B/drivers/vfio_ap/unbind"
matrices
put 0xab "$M1/unassign_domain"
see "$M1/guest_matrix"
put "$(cat "$M1/ap_config")" "$M1/ap_config"
see "$M1/guest_matrix"

echo '== the host loses the adapter and gets it back'
hw 'card 5 apm off'
matrices
[ -e "$D/card05" ] || echo '  card05 is gone'
hw 'card 5 apm on'
driver 05.0004
see "$M1/guest_matrix"

echo '== a guest'
put "start $U1" "$SIM/guest"
see "$D/card05/05.0004/status"
see "$D/card05/05.00ab/status"
echo 1 > "$M1/remove" &
while [ -e "$M1/remove" ]; do sleep 0.1; done
sleep 0.2
echo "  while it blocks, the mdev holds: $(ls -x "$M1")"
see "$D/card05/05.0004/status"
see "$SIM/guests/$U1/apcb"
put "exit $U1" "$SIM/guest"
wait
echo '  the write to remove has returned'
see "$D/card05/05.0004/status"
see "$D/card05/05.00ab/status"
[ -e "$M1" ] || echo "  $U1 is gone"
put +5 "$B/apmask"
driver 05.0004
driver 05.00ab
