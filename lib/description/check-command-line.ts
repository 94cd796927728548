/**
 * Checks of the kernel command line: `ap.*` words.
 */
import { type ApCommandLine, type ApParameters, apParameterNames, parseApParameters } from '../ap/parameters.js';
import { isKernelError } from '../errno.js';
import type { Profile } from '../profile/profile.js';
import { DEFAULT_KERNEL, PROFILES } from '../profile/tables.js';
import { Mask, parseMaskText } from '../text/bitmap.js';
import { commandLineWords } from '../text/command-line.js';
import type { MachineDescription } from './description.js';
import { didYouMean } from './nearest.js';
import type { FieldPath } from './problem.js';
import type { Problems } from './problems.js';

const MASKS = ['apmask', 'aqmask'] as const;
type MaskName = (typeof MASKS)[number];
const COMMAND_LINE: FieldPath = ['kernel', 'commandLine'];

const profileOf = ({ kernel = {} }: MachineDescription): Profile => PROFILES[kernel.version ?? DEFAULT_KERNEL];

const apWords = (description: MachineDescription): ApCommandLine =>
  parseApParameters(description.kernel?.commandLine ?? '', profileOf(description));

/** The kernel boots with all of these; hardly what was meant. */
export function checkCommandLine(problems: Problems, description: MachineDescription): void {
  const { parameters, ignored } = apWords(description);
  const known = apParameterNames(profileOf(description));
  for (const { name, value, at, log } of ignored) {
    let text = `the module ap has no parameter "${name}"${didYouMean(name, known)}`;
    if (log !== undefined && !value) text = `ap.${name} has no value`;
    else if (log !== undefined) text = `ap.${name}=${value} is no number: the kernel complains and ignores it`;
    problems.error(COMMAND_LINE, text, at);
  }
  for (const { name, value, at } of commandLineWords(description.kernel?.commandLine ?? '')) {
    const mask = MASKS.find((which) => name === `ap.${which}`);
    if (mask && value === '')
      problems.warning(COMMAND_LINE, `ap.${mask}= is an empty mask: the kernel has all zeros`, at);
    if (mask && value !== undefined && !parseMask(description, value))
      problems.error(COMMAND_LINE, `ap.${mask}=${value} cannot be read as a mask: ${MASK_FORM}`, at);
  }
  checkDomain(problems, description, parameters);
}

const MASK_FORM = 'as +1-5,-3 or 0x..; the kernel then has all zeros';

/** As the bus checks it at its start (`ap_module_init`); -1 is as good as nothing. */
function checkDomain(problems: Problems, description: MachineDescription, { domain }: ApParameters): void {
  const { limits = {}, facilities = {} } = description;
  const most = facilities.qci === false ? 15 : (limits.domain ?? 255);
  if (domain === undefined || domain === -1) return;
  const inRange = domain >= 0 && domain <= most;
  if (inRange && bootMask(description, 'aqmask').has(domain)) return;
  const why = inRange ? 'is not in ap.aqmask' : `is none of 0 to ${most}`;
  const log = `"${domain} is not a valid cryptographic domain"`;
  problems.warning(COMMAND_LINE, `ap.domain=${domain} ${why}: the kernel logs ${log} and chooses one`);
}

/** @param before what a relative mask changes. @returns undefined: it has a mistake */
function parseMask(description: MachineDescription, text: string, before = Mask.zeros()): Mask | undefined {
  try {
    return parseMaskText(before, text, profileOf(description).maskNumberOverflow);
  } catch (e) {
    if (isKernelError(e)) return undefined;
    throw e;
  }
}

/** What the host's drivers have from boot on. */
export function bootMask(description: MachineDescription, which: MaskName): Mask {
  const text = apWords(description).parameters[which];
  return text === undefined ? Mask.ones() : (parseMask(description, text) ?? Mask.zeros());
}

/** What they have in the end: since boot, or since a mask was written. */
export function hostMask(description: MachineDescription, which: MaskName): Mask {
  const boot = bootMask(description, which);
  const written = description.state?.bus?.[which];
  return written === undefined ? boot : (parseMask(description, written, boot) ?? boot);
}
