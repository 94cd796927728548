/**
 * What to do when requests cannot be sent, or fail.
 */
import type { JobView } from '../../fs-tree/control/load-jobs.js';
import { EXIT } from '../exit-status.js';
import type { FailureOptions } from '../failure.js';

/** After the machine has refused to begin. */
export function refusalAdvice(complaint: string): FailureOptions {
  if (complaint.includes('has no address'))
    return {
      status: EXIT.usage,
      next: [
        'leave --adapter and --domain out, or make a node that allows only them, in class/zcrypt:',
        'echo mine > create; cd mine; echo +5,+6 > ioctlmask; echo +2 > apmask; echo +6 > aqmask',
        'ap-sysfs load --kind rsa2048 --node mine',
      ].join('\n'),
    };
  if (complaint.includes('zcrypt is not loaded')) return { next: 'ap-sysfs modprobe zcrypt_cex4' };
  if (complaint.includes('there is no zcrypt node'))
    return { next: 'echo zcrypt_1 > class/zcrypt/create    in the mount makes one; its masks say what it allows' };
  if (complaint.includes('there is no guest'))
    return {
      next: 'ap-sysfs guest start UUID name=web    starts one, for an mdev that has queues; ap-sysfs show lists them',
    };
  if (complaint === 'ENXIO') return { next: 'ap-sysfs modprobe zcrypt_cex4' };
  return { status: EXIT.usage, next: 'ap-sysfs load --help    explains the command' };
}

const ADVICE: Readonly<Record<string, string>> = {
  ENODEV: 'no queue took them: ap-sysfs show    tells which are online and whose they are; a node has masks of its own',
  EPERM:
    "the node's ioctlmask does not allow this call: echo +5 > class/zcrypt/NODE/ioctlmask (RSA 5 and 6, CCA 129, EP11 4)",
  EIO: 'ten tries failed, or an administrative one: ap-sysfs trace --kind zcrypt    tells the tries',
  EINVAL: 'the card refused them: ap-sysfs trace --kind zcrypt    tells which',
  EINTR: 'they were interrupted before they were answered',
  EOPNOTSUPP: 'the node takes neither usage nor administrative requests of this kind',
};

/** After requests have failed: one line for each errno, to stderr. */
export function failureAdvice({ byErrno, wrong, node }: JobView): string {
  const lines = Object.keys(byErrno).map((errno) => {
    const advice = ADVICE[errno] ?? 'ap-sysfs trace --kind zcrypt    tells the tries';
    return `  ${errno}: ${advice.replace('NODE', node)}\n`;
  });
  if (wrong > 0) lines.push('  wrong answers: ap-sysfs hw show    tells whether replies are forged; ap-sysfs dmesg\n');
  return `ap-sysfs: not every request succeeded\n${lines.join('')}`;
}
