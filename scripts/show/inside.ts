/**
 * What a guest sees on its own AP bus, against what its hardware has for it.
 */
import { paragraph } from '../output/table.js';
import { colour } from '../output/terminal.js';
import { idRanges } from './ids.js';
import type { GuestView } from './read.js';

/** With more queues than that adapters and domains are told instead. */
const FEW_QUEUES = 8;

/** Lines about the kernel in a guest; none if it runs none. */
export function insideLines({ inside }: GuestView): string {
  if (!inside) return '';
  const head = `     ${colour.dim('kernel')} ${inside.version} `;
  if (inside.state !== 'running') return `${head}${colour.yellow(inside.state)}\n`;
  if (!inside.queues) return `${head}has no AP bus\n`;
  return (
    paragraph([head.trimEnd(), 'sees', ...queueWords(inside.queues)], 20) +
    late('has not found yet', inside.notFound) +
    late('does not know that it has lost', inside.lost)
  );
}

function queueWords(names: readonly string[]): string[] {
  if (names.length === 0) return ['no queue'];
  if (names.length <= FEW_QUEUES) return [...names];
  const ids = (from: number, to?: number): string[] =>
    idRanges(names.map((name) => Number.parseInt(name.slice(from, to), 16))).split(' ');
  return [`${names.length} queues: adapters`, ...ids(0, 2), 'domains', ...ids(3)];
}

function late(what: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const words = [...what.split(' '), ...queueWords(names), '(until', 'its', 'next', 'scan)'];
  return colour.yellow(paragraph(['     it', ...words], 7));
}
