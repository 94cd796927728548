/**
 * A machine that is recorded, imported and started again is the same machine.
 */
import t, { type Test } from 'tap';
import type { MachineDescription } from '../../lib/description/index.js';
import type { KernelVersion } from '../../lib/profile/profile.js';
import { type Imported, importMachine, readBytes } from '../../scripts/import/index.js';
import { loadMachine, parseMachineFile } from '../../scripts/machine-file/index.js';
import { printRecord } from '../../scripts/record/format.js';
import { recordTree } from '../../scripts/record/walk.js';
import { bootDescription, ROOT, type TestMachine } from '../support/machine.js';
import { KERNELS } from '../support/scenario.js';

async function recorded(m: TestMachine): Promise<string> {
  const text = printRecord(await recordTree(m.world, m.sh.ops, ROOT));
  return text;
}

/** The machine that a record describes, from the text of its machine file. */
async function again(t: Test, record: string): Promise<{ m: TestMachine; imported: Imported }> {
  const imported = importMachine(readBytes(Buffer.from(record, 'latin1'), 'a.record'));
  const { description, warnings } = parseMachineFile(imported.text, 'imported.yaml');
  t.same(warnings, [], 'its machine file is fine');
  const m = await bootDescription(description);
  t.teardown(() => m.world.stop());
  return { m, imported };
}

async function boot(t: Test, description: MachineDescription): Promise<TestMachine> {
  const m = await bootDescription(description);
  t.teardown(() => m.world.stop());
  return m;
}

const described = (preset: string, version: KernelVersion): MachineDescription => {
  const { clock: _, ...rest } = loadMachine(preset);
  return { ...rest, kernel: { ...rest.kernel, version } };
};

/** Lines that differ, with those around them. */
function differences(a: string, b: string): string[] {
  const [one, other] = [a.split('\n'), b.split('\n')];
  const found: string[] = [];
  let path = '';
  for (let i = 0; i < Math.max(one.length, other.length) && found.length < 20; i++) {
    if (one[i]?.includes(' /')) path = one[i] ?? '';
    if (one[i] !== other[i]) found.push(`${path}: ${one[i]} -> ${other[i]}`);
  }
  return found;
}

for (const kernel of KERNELS)
  for (const preset of ['default', 'large', 'small'])
    t.test(`preset ${preset} on ${kernel}: two records are equal`, async (t) => {
      const first = await recorded(await boot(t, described(preset, kernel)));
      const { m } = await again(t, first);
      t.same(differences(first, await recorded(m)), []);
    });

/** Contents that tell how much has happened, and numbers that are given out. */
const COUNTERS = /\/(?:request_count|scans|bindings_complete_count)$/;

/** A record without counters. */
function withoutCounters(text: string): string {
  let counts = false;
  return text
    .split('\n')
    .filter((line) => {
      if (/^[a-z]+ [0-7]{4} /.test(line)) counts = COUNTERS.test(line);
      return !(counts && line.startsWith('|'));
    })
    .join('\n');
}

const U1 = '11111111-1111-4111-8111-111111111111';
const U2 = '22222222-2222-4222-8222-222222222222';
const CREATE = 'devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create';

/** What somebody does to the default machine. */
const STORIES: readonly (readonly [what: string, kernels: readonly KernelVersion[], steps: readonly string[]])[] = [
  [
    'cards and queues are switched off',
    KERNELS,
    ['0 > devices/ap/card01/online', '0 > devices/ap/card00/00.0006/online'],
  ],
  [
    'masks are written and mdevs are made',
    KERNELS,
    [
      '-0x0-0x2 > bus/ap/apmask',
      '-71 > bus/ap/aqmask',
      `${U2} > ${CREATE}`,
      `${U1} > ${CREATE}`,
      ...['1', '2'].map((id) => `${id} > devices/vfio_ap/matrix/${U1}/assign_adapter`),
      ...['4', '0x1b'].map((id) => `${id} > devices/vfio_ap/matrix/${U1}/assign_domain`),
      `0xab > devices/vfio_ap/matrix/${U1}/assign_control_domain`,
      `6 > devices/vfio_ap/matrix/${U2}/assign_domain`,
    ],
  ],
  [
    'a guest runs',
    KERNELS,
    [
      '-2 > bus/ap/apmask',
      `${U1} > ${CREATE}`,
      `2 > devices/vfio_ap/matrix/${U1}/assign_adapter`,
      `6 > devices/vfio_ap/matrix/${U1}/assign_domain`,
      `start ${U1} > kernel/debug/ap_sim/guest`,
    ],
  ],
  [
    'drivers are overridden',
    ['7.2'],
    [
      'vfio_ap > devices/ap/card02/02.0004/driver_override',
      '02.0004 > bus/ap/drivers/cex4queue/unbind',
      '02.0004 > bus/ap/drivers_probe',
      'cex4queue > devices/ap/card03/03.0006/driver_override',
      'nobody > devices/ap/card03/03.0047/driver_override',
      'vfio_ap > devices/ap/card02/02.0006/driver_override',
    ],
  ],
  [
    'drivers are taken away',
    KERNELS,
    [
      '02.0004 > bus/ap/drivers/cex4queue/unbind',
      'card03 > bus/ap/drivers/cex4card/unbind',
      '0 > bus/ap/drivers_autoprobe',
    ],
  ],
  [
    'device nodes are made',
    KERNELS,
    [
      'zz > class/zcrypt/create',
      'aa/bb > class/zcrypt/create',
      '+0-9 > class/zcrypt/zz/ioctlmask',
      '+3 > class/zcrypt/aa!bb/apmask',
      '+4 > class/zcrypt/aa!bb/aqmask',
      '+5 > class/zcrypt/zz/admask',
    ],
  ],
  [
    'the bus is set up otherwise',
    KERNELS,
    ['27 > bus/ap/ap_domain', '99 > bus/ap/config_time', '777000 > bus/ap/poll_timeout', '1 > bus/ap/scans'],
  ],
  [
    'cards are taken away',
    KERNELS,
    ['card 1 deconfigure > kernel/debug/ap_sim/hw', 'card 2 checkstop on > kernel/debug/ap_sim/hw'],
  ],
];

for (const [what, kernels, steps] of STORIES)
  for (const kernel of kernels)
    t.test(`${what} on ${kernel}: two records are equal but for counters`, async (t) => {
      const m = await boot(t, described('default', kernel));
      for (const step of steps) {
        const [text = '', path = ''] = step.split(' > ');
        await m.sh.echo(text, path);
        await m.settle();
      }
      const first = await recorded(m);
      const next = await again(t, first);
      t.same(differences(withoutCounters(first), withoutCounters(await recorded(next.m))), []);
      t.same(next.m.bugs, []);
    });

for (const modules of [['zcrypt_cex4'], ['vfio_ap'], ['zcrypt', 'mdev'], []])
  t.test(`with modules ${modules.join(' and ') || '(none)'}: two records are equal`, async (t) => {
    const description = described('default', '6.12');
    const first = await recorded(await boot(t, { ...description, kernel: { ...description.kernel, modules } }));
    const { m } = await again(t, first);
    t.same(differences(first, await recorded(m)), []);
  });

t.test('boot parameters come back as boot parameters', async (t) => {
  const commandLine = 'ap.apmask=+0-1,+9 ap.aqmask=0xff00000000 ap.domain=6 ap.poll_thread=1 ap.useirq=0';
  for (const kernel of KERNELS) {
    const description = described('default', kernel);
    const first = await recorded(await boot(t, { ...description, kernel: { ...description.kernel, commandLine } }));
    const { m, imported } = await again(t, first);
    t.equal(imported.description.kernel?.commandLine, commandLine);
    t.equal(imported.description.state, undefined);
    t.same(differences(first, await recorded(m)), []);
  }
});
