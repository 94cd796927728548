/**
 * /sys/class/zcrypt, its device nodes, the modules' parameters and the hardware RNG.
 *
 * Mirrors the class and node attributes of zcrypt_api.c and those of
 * drivers/char/hw_random/core.c. spec/attributes.md G and I.
 */
import { Class } from '../../../lib/driver-core/class.js';
import { Device } from '../../../lib/driver-core/device.js';
import { Kobject } from '../../../lib/driver-core/kobject.js';
import type { Zcrypt } from '../../../lib/zcrypt/api.js';
import { Zcdn } from '../../../lib/zcrypt/nodes.js';
import { type Attr, type AttrContext, table } from '../table.js';

function zcrypt({ kernel }: AttrContext): Zcrypt {
  if (!kernel.zcrypt.api) throw new Error('zcrypt is not loaded');
  return kernel.zcrypt.api;
}

export const zcryptClassTable = table('zcrypt_class', Class, [
  { name: 'create', mode: 0o600, store: (_c, text, ctx) => zcrypt(ctx).nodes.createStore(ctx.task, text) },
  { name: 'destroy', mode: 0o600, store: (_c, text, ctx) => zcrypt(ctx).nodes.destroyStore(ctx.task, text) },
]);

const mask = (name: string, which: 'ioctlm' | 'apm' | 'aqm' | 'adm'): Attr<Zcdn> => ({
  name,
  show: (node) => node.maskText(which),
  store: (node, text, { task }) => node.maskStore(task, which, text),
});

export const zcdnTable = table('zcdn', Zcdn, [
  mask('ioctlmask', 'ioctlm'),
  mask('apmask', 'apm'),
  mask('aqmask', 'aqm'),
  mask('admask', 'adm'),
]);

export const zcryptParametersTable = table('zcrypt_params', Kobject, [
  {
    name: 'mempool_threshold',
    since: (p) => p.hasMessagePools,
    mode: 0o400,
    show: (_k, ctx) => `${zcrypt(ctx).mempoolThreshold}\n`,
  },
  {
    name: 'hwrng_seed',
    since: (p) => p.hasHwrngSeed,
    mode: 0o440,
    show: (_k, ctx) => `${zcrypt(ctx).hwrngSeed}\n`,
  },
]);

export const hwRandomTable = table('hw_random', Device, [
  {
    name: 'rng_current',
    show: (_d, { kernel }) => kernel.zcrypt.hwRandom.currentText,
    store: (_d, text, { kernel }) => kernel.zcrypt.hwRandom.currentStore(text),
  },
  { name: 'rng_available', show: (_d, { kernel }) => kernel.zcrypt.hwRandom.availableText },
]);
