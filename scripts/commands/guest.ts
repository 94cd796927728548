/**
 * `ap-sysfs guest COMMAND UUID ..`: virtual machines, in the vocabulary of the
 * control file `guest`.
 */
import type { Command } from 'commander';
import { examples } from '../help.js';
import { runWords, wordsCommand } from '../words-command.js';

const VOCABULARY = `
Commands (UUID: of the mdev that is passed through; of a running guest its
name will do):
  start UUID [WORDS]                 a VM with the device that boots a kernel:
    kernel=6.12 name=NAME vcpus=N      which one, its name, its virtual CPUs
    modules=A,B cmdline=..             modules; command line (the last word)
    noaiv nonotify protected           no interrupts; told nothing; secure
    nokernel                           its virtual CPUs never run
    nokvm|noadd|noapie|nocrycb         what the VM has not
  reset UUID                         the VM is reset, and its kernel boots anew
  exit UUID                          it ends
  info|irqinfo|events UUID           what a VMM asks of the device
  reqirq UUID [off]                  be told when the host wants the device back
  cfgirq UUID [off]                  be told when the AP configuration changes
  autoclose UUID [off]               give the device back when asked
  close|open|open2|closegroup UUID   the device node
  vcpu UUID | apie UUID [off]        one more virtual CPU; AP interpretation
  map|unmap UUID ADDRESS [SIZE]      guest memory that the device may reach
  attach UUID UUID2                  a second device
  badirq|badioctl|raw UUID           wrong calls
Without words: the running guests.`;

export function addGuest(program: Command): void {
  const command = wordsCommand(program, 'guest')
    .summary('run virtual machines: guest start UUID')
    .description('Runs virtual machines that hold a mediated device, as their monitor would.')
    .argument('[words...]', 'a command of the vocabulary')
    .addHelpText('after', VOCABULARY);
  examples(command, [
    ['ap-sysfs guest start 11111111-1111-4111-8111-111111111111', 'a guest with that mdev'],
    ['ap-sysfs guest', 'the guests that run'],
    [
      'ap-sysfs guest start 11111111-1111-4111-8111-111111111111 name=web',
      'its /sys: kernel/debug/ap_sim/guests/web/sys',
    ],
    ['ap-sysfs guest reset 11111111-1111-4111-8111-111111111111', 'VFIO_DEVICE_RESET, and it boots anew'],
    ['ap-sysfs guest exit 11111111-1111-4111-8111-111111111111', 'end it'],
  ]).action((words: string[], options: { sys?: string }, self: Command) => {
    runWords('guest', words, self, {
      ...options,
      plain,
      next: advice,
    });
  });
}

/** What a monitor says of a call that failed, for those who do not know its calls. */
function plain(complaint: string, words: readonly string[]): string {
  if (complaint === 'connect: No such file or directory (ENOENT)') return `no guest ${words[1]} runs (ENOENT)`;
  if (complaint === 'readlink iommu_group: No such file or directory (ENOENT)')
    return `there is no mdev ${words[1]} (ENOENT)`;
  return complaint;
}

function advice(complaint: string): string {
  if (complaint.startsWith('connect: ') || complaint.includes('guest is missing'))
    return 'ap-sysfs guest    lists the guests that run';
  if (complaint.includes('mdev is missing')) return 'ap-sysfs show    lists the mdevs with their UUIDs';
  if (complaint.includes('known: ') || complaint.includes('start|raw'))
    return 'ap-sysfs guest --help    lists the commands';
  if (complaint.includes('(ENOENT)'))
    return 'ap-sysfs show    lists the mdevs; `create` in mdev_supported_types makes one';
  return 'ap-sysfs show    tells the state of mdevs and guests; ap-sysfs dmesg    what the kernel said';
}
