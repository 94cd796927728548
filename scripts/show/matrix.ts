/**
 * The matrix of adapters and domains: two signs a queue, or one where many must fit.
 */
import { colour, terminalWidth } from '../output/terminal.js';
import { apqn, hex2, runName, runs } from './ids.js';
import { type Cell, OWNERS, paint, STATES } from './queues.js';
import type { MachineView } from './read.js';

/** Columns of the terminal that one queue takes: the most spacious that fits, or the tightest. */
const WIDTHS = [4, 3, 1] as const;

/** More cards than that: neighbours that look alike share a row. */
export const FEW_CARDS = 32;

export function drawMatrix(view: MachineView, cells: ReadonlyMap<string, Cell>): string {
  const domains = [...new Set(view.queues.map(({ domain }) => domain))].sort((a, b) => a - b);
  if (view.cards.length === 0) return '  no cards\n';
  if (domains.length === 0) return `  ${view.cards.length} cards, but no usage domain: no queues\n`;
  const rows = runs(view.cards, FEW_CARDS, (card) =>
    [card.type, ...domains.map((domain) => signs(cells.get(apqn(card.id, domain))))].join(),
  );
  const heads = rows.map((row) => `  ${runName(row)} ${row.first.type}`);
  const headWidth = Math.max(...heads.map((head) => head.length)) + 2;
  const room = terminalWidth() - headWidth;
  const width = WIDTHS.find((w) => domains.length * w <= room) ?? 1;
  const perBlock = Math.max(1, Math.floor(room / width));
  let text = '';
  for (let from = 0; from < domains.length; from += perBlock) {
    const block = domains.slice(from, from + perBlock);
    text += `${from === 0 ? '' : '\n'}${ruler(block, width, headWidth)}`;
    for (const [i, { first: card }] of rows.entries()) {
      const row = block.map((domain) => drawCell(cells.get(apqn(card.id, domain)), width)).join('');
      text += `${(heads[i] ?? '').padEnd(headWidth)}${row}`.trimEnd().concat('\n');
    }
  }
  return text + legend([...cells.values()]);
}

const signs = (cell: Cell | undefined): string => (cell ? `${cell.owner}${cell.state}` : '');

/** Domain ids above their columns; one digit above the other where columns are narrow. */
function ruler(domains: readonly number[], width: number, headWidth: number): string {
  const ids = domains.map(hex2);
  if (width > 2)
    return `${colour.dim(`${'  domain'.padEnd(headWidth)}${ids.map((id) => id.padEnd(width)).join('')}`.trimEnd())}\n`;
  const row = (label: string, at: number): string =>
    `${colour.dim(`${label.padEnd(headWidth)}${ids.map((id) => id[at]).join('')}`)}\n`;
  return row('  domain', 0) + row('', 1);
}

function drawCell(cell: Cell | undefined, width: number): string {
  if (!cell) return ' '.repeat(width);
  const { owner, state } = cell;
  if (width === 1) return paint(cell, state === ' ' || state === '*' ? owner : state);
  return paint(cell, `${owner}${state}`) + ' '.repeat(width - 2);
}

function legend(cells: readonly Cell[]): string {
  const owners = new Set(cells.map(({ owner }) => owner));
  const states = new Set(cells.map(({ state }) => state));
  const entries = [
    ...Object.entries(OWNERS).filter(([sign]) => owners.has(sign)),
    ...([...owners].some((owner) => /[a-u#w-y]/.test(owner)) ? [['a b ..', 'an mdev, below']] : []),
    ...Object.entries(STATES).filter(([sign]) => states.has(sign)),
  ].map(([sign, meaning]) => `${colour.bold(sign ?? '')} ${colour.dim(meaning ?? '')}`);
  return `\n  ${wrapped(entries)}`;
}

/** Entries, three blanks apart, in as many lines as they need. */
function wrapped(entries: readonly string[]): string {
  const room = terminalWidth() - 2;
  const lines: string[][] = [[]];
  let used = 0;
  for (const entry of entries) {
    const length = entry.replace(/\x1b\[[0-9;]*m/g, '').length + 3;
    if (used > 0 && used + length > room + 3) {
      lines.push([]);
      used = 0;
    }
    lines.at(-1)?.push(entry);
    used += length;
  }
  return `${lines.map((line) => line.join('   ')).join('\n  ')}\n`;
}
