/**
 * The words behind `start UUID`: which virtual machine, and what runs in it.
 */
import { KernelError } from '../errno.js';
import { MAX_VCPUS } from '../kvm/vm.js';
import type { KernelVersion } from '../profile/profile.js';
import { PROFILES } from '../profile/tables.js';
import type { VmmGuestOptions, VmmOptions } from './vmm.js';

const VARIANTS = ['nokvm', 'noadd', 'noapie', 'nocrycb'] as const;
/** As a file name and a word of a command. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const usage = (detail: string): KernelError => new KernelError('EINVAL', `vfioguest: start: ${detail}`);

type Settings = { -readonly [K in keyof VmmGuestOptions]: VmmGuestOptions[K] };

/** Words that stand alone. */
const FLAGS: Readonly<Record<string, (guest: Settings) => void>> = {
  noaiv: (guest) => {
    guest.aiv = false;
  },
  nonotify: (guest) => {
    guest.notify = false;
  },
  protected: (guest) => {
    guest.protectedGuest = true;
  },
};

/** Words `name=value`. */
const VALUES: Readonly<Record<string, (guest: Settings, value: string) => void>> = {
  kernel: (guest, value) => {
    if (!Object.hasOwn(PROFILES, value))
      throw usage(`unknown kernel ${value} (known: ${Object.keys(PROFILES).join(' ')})`);
    guest.version = value as KernelVersion;
  },
  name: (guest, value) => {
    if (!NAME.test(value)) throw usage(`name ${value}: letters, digits and ._- only`);
    guest.name = value;
  },
  vcpus: (guest, value) => {
    const vcpus = /^\d+$/.test(value) ? Number(value) : 0;
    if (vcpus < 1 || vcpus > MAX_VCPUS) throw usage(`vcpus ${value} is not 1 to ${MAX_VCPUS}`);
    guest.vcpus = vcpus;
  },
  modules: (guest, value) => {
    guest.modules = value.split(',').filter((name) => name !== '');
  },
};

/**
 * `nokernel`: a VM whose virtual CPUs never run. Else it boots a kernel, which
 * `kernel=`, `name=`, `vcpus=`, `modules=`, `noaiv`, `nonotify`, `protected`
 * and `cmdline=` (what follows belongs to it) are about. One of `nokvm`,
 * `noadd`, `noapie`, `nocrycb` may stand anywhere.
 * @throws KernelError EINVAL
 */
export function startOptions(words: readonly string[]): VmmOptions {
  const guest: Settings = {};
  let variant: VmmOptions['variant'];
  let kernel = true;
  for (const [i, word] of words.entries()) {
    const known = VARIANTS.find((name) => name === word);
    const [, name = '', value = ''] = /^([a-z]+)=(.*)$/.exec(word) ?? [];
    if (known && !variant) variant = known;
    else if (word === 'nokernel') kernel = false;
    else if (Object.hasOwn(FLAGS, word)) FLAGS[word]?.(guest);
    else if (name === 'cmdline') {
      guest.commandLine = [value, ...words.slice(i + 1)].join(' ');
      break;
    } else if (Object.hasOwn(VALUES, name)) VALUES[name]?.(guest, value);
    else
      throw usage(
        `unknown word ${word} (known: ${[...VARIANTS, 'nokernel', ...Object.keys(FLAGS)].join(' ')} ${[...Object.keys(VALUES), 'cmdline'].map((n) => `${n}=`).join(' ')})`,
      );
  }
  if (!kernel && Object.keys(guest).length > 0) throw usage(`nokernel and ${Object.keys(guest).join(', ')}`);
  return { ...(variant && { variant }), ...(kernel && { guest }) };
}
