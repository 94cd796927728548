/**
 * What `npm start` says: where the machine is and what to try with it.
 */

/** A short tour for a shell whose working directory is the mount point. */
export function tour(mountPoint: string): string {
  return `A machine with four crypto cards is mounted on ${mountPoint}.
In another shell:

  cd ${mountPoint}
  ls bus/ap/devices                                 # cards and their queues
  grep . devices/ap/card0*/type                     # what the cards are

Give card 3 with domain 06 to guests, and build one a matrix of it:

  echo -3 > bus/ap/apmask                           # takes card 3 from the host's drivers
  ls -l bus/ap/drivers/vfio_ap/                     # its queues are vfio_ap's now
  uuid=669d9b23-fe1b-4ecb-be08-a2fabca99b71
  echo $uuid > devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create
  echo 0x03 > devices/vfio_ap/matrix/$uuid/assign_adapter
  echo 0x06 > devices/vfio_ap/matrix/$uuid/assign_domain
  cat devices/vfio_ap/matrix/$uuid/matrix           # 03.0006

Start the guest, pull the card, look what the guest has left, plug it in again:

  echo "start $uuid" > kernel/debug/ap_sim/guest
  echo "card 3 deconfigure" > kernel/debug/ap_sim/hw
  cat devices/vfio_ap/matrix/$uuid/guest_matrix     # empty
  echo "card 3 configure" > kernel/debug/ap_sim/hw
  cat kernel/debug/ap_sim/help                      # what else can be done

Ctrl-C takes the machine away.
`;
}
