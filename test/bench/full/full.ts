/**
 * The model with all that the architecture has room for. Every run is a process
 * of its own, so that memory is that of one boot.
 */
import { fileURLToPath } from 'node:url';
import { program } from '../mounts.js';
import { median, type Section } from '../section.js';
import type { FullFigures } from './machine.js';

const MACHINE = fileURLToPath(new URL('./machine.js', import.meta.url));

interface Line {
  readonly figure: keyof FullFigures;
  readonly what: string;
  readonly unit: 'ms' | 'MiB';
  readonly limit?: number;
}

const LINES: readonly Line[] = [
  { figure: 'boot', what: 'boot and first scan, CPU', unit: 'ms', limit: 2000 },
  { figure: 'bootResident', what: 'resident memory then', unit: 'MiB', limit: 400 },
  { figure: 'scan', what: 'bus scan with nothing changed, CPU', unit: 'ms' },
  { figure: 'handOver', what: 'apmask: all queues from cex4queue to vfio_ap, CPU', unit: 'ms', limit: 3000 },
  { figure: 'takeBack', what: 'and back, with a reset each, CPU', unit: 'ms', limit: 3000 },
  { figure: 'assignAdapter', what: 'assign_adapter with 256 domains assigned and linked', unit: 'ms', limit: 2 },
  { figure: 'rmmod', what: 'rmmod vfio_ap with all queues bound to it, CPU', unit: 'ms' },
  { figure: 'peakResident', what: 'most resident memory in all this', unit: 'MiB' },
];

const digits = (n: number): string => n.toFixed(n < 10 ? 2 : 0);

export const FULL: Section = {
  name: 'full',
  what: 'the full machine: boot, scan, change of all drivers, assign_adapter, memory',

  async run({ quick, say }) {
    const runs: FullFigures[] = [];
    for (let n = 0; n < (quick ? 1 : 3); n++) {
      say(`full, run ${n + 1}`);
      runs.push(JSON.parse(await program(process.execPath, [MACHINE], 120)) as FullFigures);
    }
    const value = (line: Line): number => median(runs.map((figures) => figures[line.figure]));
    return {
      title: 'The full machine',
      words: '256 adapters with 256 domains, 65,536 queues: the model with its trace, without a mount.',
      columns: ['what', 'median', 'unit', 'target'],
      rows: LINES.map((line) => [line.what, digits(value(line)), line.unit, line.limit ? `<= ${line.limit}` : '']),
      targets: LINES.flatMap((line) =>
        line.limit === undefined ? [] : [{ what: `full: ${line.what}`, value: value(line), limit: line.limit }],
      ),
      missing: [],
      charts: [],
    };
  },
};
