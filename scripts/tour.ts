/**
 * What `npm start` says: where the machine is and what to try with it.
 */

/** A short tour for another shell; the README has a longer one. */
export function tour(mountPoint: string): string {
  return `A machine with four crypto cards is mounted on ${mountPoint}.
In another shell:

  cd ${mountPoint}
  ls bus/ap/devices                                 # cards and their queues
  grep . devices/ap/card0*/type                     # what the cards are

Take card 3 from the host's drivers, and make a guest a matrix with a queue of it:

  echo -3 > bus/ap/apmask
  ls bus/ap/drivers/vfio_ap                         # its queues are vfio_ap's now
  U=11111111-1111-4111-8111-111111111111
  M=devices/vfio_ap/matrix/$U
  echo $U > devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create
  echo 0x03 > $M/assign_adapter
  echo 0x06 > $M/assign_domain
  cat $M/matrix                                     # 03.0006

Start the guest, pull the queue from under it, put it back:

  echo "start $U" > kernel/debug/ap_sim/guest
  cat devices/ap/card03/03.0006/status              # in use
  echo 03.0006 > bus/ap/drivers/vfio_ap/unbind
  cat $M/guest_matrix                               # .0006: the guest has lost the adapter
  echo 03.0006 > bus/ap/drivers/vfio_ap/bind
  cat $M/guest_matrix                               # 03.0006

Change the hardware, see what else can be done:

  echo "card 2 deconfigure" > kernel/debug/ap_sim/hw
  cat kernel/debug/ap_sim/help

Ctrl-C takes the machine away.
`;
}
