/**
 * /sys/bus/ap and /sys/module/ap.
 *
 * Mirrors `ap_bus_attrs` and the module parameters of ap_bus.c.
 * spec/attributes.md D and I.
 */

import type { ApBus } from '../../../lib/ap/bus.js';
import { maskStore } from '../../../lib/ap/masks.js';
import { Bus } from '../../../lib/driver-core/bus.js';
import { Kobject } from '../../../lib/driver-core/kobject.js';
import { parseSyntheticUevent, plainSource } from '../../../lib/driver-core/uevent.js';
import { QCI } from '../../../lib/hardware/instructions.js';
import { Mask } from '../../../lib/text/bitmap.js';
import { type AttrContext, decimal, flag, table } from '../table.js';

const ap = ({ kernel }: AttrContext): ApBus => {
  if (!kernel.ap) throw new Error('no AP bus');
  return kernel.ap;
};

const QCI_WORDS = [
  [QCI.APSC, 'APSC'],
  [QCI.APXA, 'APXA'],
  [QCI.QACT, 'QACT'],
  [QCI.RC8A, 'RC8A'],
  [QCI.APSB, 'APSB'],
] as const;

const qciMask =
  (which: 'apm' | 'aqm' | 'adm') =>
  (_bus: Bus, ctx: AttrContext): string => {
    const { qci, qciSupported } = ap(ctx);
    return qciSupported && qci ? `${new Mask(qci[which])}\n` : 'not supported\n';
  };

function features({ qci }: ApBus): string {
  const flags = qci?.flags ?? 0;
  if (flags === 0) return '-\n';
  const words = QCI_WORDS.filter(([bit]) => (flags & bit) !== 0).map(([, word]) => word);
  return words.length > 0 ? `${words.join(' ')}\n` : '';
}

export const apBusTable = table('ap_bus', Bus, [
  {
    name: 'ap_domain',
    show: (_bus, ctx) => decimal(ap(ctx).domainIndex),
    store: (_bus, text, ctx) => ap(ctx).domainStore(text),
  },
  { name: 'ap_control_domain_mask', show: qciMask('adm') },
  { name: 'ap_usage_domain_mask', show: qciMask('aqm') },
  { name: 'ap_adapter_mask', show: qciMask('apm') },
  {
    name: 'config_time',
    show: (_bus, ctx) => decimal(ap(ctx).scan.time),
    store: (_bus, text, ctx) => ap(ctx).scan.timeStore(text),
  },
  {
    name: 'poll_thread',
    show: (_bus, ctx) => flag(ap(ctx).poll.threadRuns),
    store: (_bus, text, ctx) => ap(ctx).poll.threadStore(text),
  },
  { name: 'ap_interrupts', show: (_bus, ctx) => flag(ap(ctx).usesInterrupts) },
  {
    name: 'poll_timeout',
    show: (_bus, ctx) => decimal(ap(ctx).poll.highTimeout),
    store: (_bus, text, ctx) => ap(ctx).poll.timeoutStore(text),
  },
  { name: 'ap_max_domain_id', show: (_bus, ctx) => decimal(ap(ctx).maxDomainId) },
  { name: 'ap_max_adapter_id', show: (_bus, ctx) => decimal(ap(ctx).maxAdapterId) },
  {
    name: 'apmask',
    show: (_bus, ctx) => `${ap(ctx).apm}\n`,
    store: (_bus, text, ctx) => maskStore(ctx.task, ap(ctx), 'apm', text),
  },
  {
    name: 'aqmask',
    show: (_bus, ctx) => `${ap(ctx).aqm}\n`,
    store: (_bus, text, ctx) => maskStore(ctx.task, ap(ctx), 'aqm', text),
  },
  {
    name: 'scans',
    show: (_bus, ctx) => decimal(ap(ctx).scan.count),
    store: async (_bus, _text, ctx) => {
      await ap(ctx).scan.force(ctx.task);
    },
  },
  { name: 'bindings', show: (_bus, ctx) => ap(ctx).bindings.text },
  {
    name: 'bindings_complete_count',
    since: (p) => p.hasBindingsCompleteCount,
    show: (_bus, ctx) => decimal(ap(ctx).bindings.completeCount),
  },
  { name: 'features', since: (p) => p.hasFeatures, show: (_bus, ctx) => features(ap(ctx)) },
]);

const APPARAM = (p: { apParameterMode: number }): number => p.apParameterMode;

export const apParametersTable = table('ap_parameters', Kobject, [
  { name: 'domain', mode: APPARAM, show: (_k, ctx) => decimal(ap(ctx).domainIndex) },
  { name: 'poll_thread', mode: APPARAM, show: (_k, ctx) => decimal(ap(ctx).parameters.pollThread ?? 0) },
  { name: 'apmask', mode: APPARAM, show: (_k, ctx) => `${ap(ctx).parameters.apmask ?? '(null)'}\n` },
  { name: 'aqmask', mode: APPARAM, show: (_k, ctx) => `${ap(ctx).parameters.aqmask ?? '(null)'}\n` },
  { name: 'useirq', mode: APPARAM, show: (_k, ctx) => decimal(ap(ctx).parameters.useirq ?? 1) },
  {
    name: 'msgpool_min_items',
    since: (p) => p.hasMessagePools,
    mode: 0o400,
    show: (_k, ctx) => decimal(ap(ctx).parameters.msgpoolMinItems ?? 8),
  },
]);

/** /sys/module/ap of a kernel with the AP bus built in: no module, only a name. */
export const builtInModuleTable = table('builtin_module', Kobject, [
  {
    name: 'uevent',
    store: (kobj, text, { kernel }) => {
      const { action, keys } = parseSyntheticUevent(text);
      kernel.core.uevents.send(kobj, action, plainSource('module'), keys);
    },
  },
]);
