/**
 * Checks of what is done after boot, as far as they need no kernel.
 */
import { isKernelError } from '../errno.js';
import { DEFAULT_MODULES } from '../kernel.js';
import { DEFAULT_KERNEL, PROFILES } from '../profile/tables.js';
import { Mask, parseMaskText } from '../text/bitmap.js';
import type { MachineDescription } from './description.js';
import type { FieldPath } from './problem.js';
import type { Problems } from './problems.js';

const NODE_MASKS = ['ioctlmask', 'apmask', 'aqmask', 'admask'] as const;

export function checkState(problems: Problems, description: MachineDescription): void {
  const { state = {}, kernel = {}, limits = {} } = description;
  const version = kernel.version ?? DEFAULT_KERNEL;
  const profile = PROFILES[version];
  const { bus = {}, queues = [], zcryptNodes = [], adapters = [] } = state;
  const mask = (path: FieldPath, text: string | undefined): void => {
    if (text === undefined || readable(text, profile.maskNumberOverflow)) return;
    problems.error(path, `"${text}" cannot be read as a mask, such as 0xff.. or +0-15,-3`);
  };
  for (const which of ['apmask', 'aqmask'] as const) mask(['state', 'bus', which], bus[which]);
  for (const [i, node] of zcryptNodes.entries())
    for (const which of NODE_MASKS) mask(['state', 'zcryptNodes', i, which], node[which]);
  const modules: readonly string[] = kernel.modules ?? DEFAULT_MODULES;
  if (zcryptNodes.length > 0 && !modules.some((name) => name.startsWith('zcrypt')))
    problems.error(['state', 'zcryptNodes'], 'device nodes need the module zcrypt (kernel.modules)');
  for (const [i, { id }] of adapters.entries())
    problems.above(['state', 'adapters', i, 'id'], 'adapter', [id].flat(), limits.adapter ?? 255);
  for (const [i, { adapters, domains, driverOverride }] of queues.entries()) {
    const path = ['state', 'queues', i];
    problems.above([...path, 'adapters'], 'adapter', adapters, limits.adapter ?? 255);
    problems.above([...path, 'domains'], 'domain', domains, limits.domain ?? 255);
    for (const field of ['seBind', 'seAssociate'] as const)
      if (queues[i]?.[field] !== undefined && !(description.secureExecution && profile.hasSecureExecutionFiles))
        problems.error([...path, field], 'only queues of a secure-execution guest with kernel 6.12 or newer have this');
    if (driverOverride === undefined) continue;
    if (!profile.hasDriverOverride)
      problems.error([...path, 'driverOverride'], `kernel ${version} has no driver_override`);
    else if (bus.apmask !== undefined || bus.aqmask !== undefined)
      problems.error([...path, 'driverOverride'], 'masks that were written and driver_override exclude each other');
  }
}

function readable(text: string, overflow: Parameters<typeof parseMaskText>[2]): boolean {
  try {
    parseMaskText(Mask.zeros(), text, overflow);
    return true;
  } catch (e) {
    if (isKernelError(e)) return false;
    throw e;
  }
}
