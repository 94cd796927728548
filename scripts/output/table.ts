/**
 * Tables and paragraphs for people: aligned columns without lines, nothing
 * wider than the terminal.
 */
import Table from 'cli-table3';
import { colour, terminalWidth } from './terminal.js';

const NO_LINES = Object.fromEntries(
  'top,top-mid,top-left,top-right,bottom,bottom-mid,bottom-left,bottom-right,left,left-mid,mid,mid-mid,right,right-mid'
    .split(',')
    .map((part) => [part, '']),
);

/** Characters that the terminal shows of a text. */
export const visible = (text: string): number => text.replace(/\x1b\[[0-9;]*m/g, '').length;

export interface Column {
  readonly head: string;
  readonly align?: 'left' | 'right';
  /** Left out where the terminal is too narrow. */
  readonly optional?: boolean;
}

/** Rows below their heads, each line `indent` to the right; the last column is wrapped where it must be. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], indent = 2): string {
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...rows.map((row) => visible(row[i] ?? ''))));
  const wide = widths.reduce((sum, width) => sum + width + 2, indent) - 2 > terminalWidth();
  const keep = <T>(list: readonly T[]): T[] => list.filter((_, i) => !columns[i]?.optional);
  if (wide && columns.some(({ optional }) => optional)) return table(keep(columns), rows.map(keep), indent);
  const used = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, indent);
  const last = widths.length - 1;
  widths[last] = Math.max(8, Math.min(widths[last] ?? 0, terminalWidth() - used));
  const drawn = new Table({
    colWidths: widths.map((width, i) => (i < last ? width + 2 : width)),
    colAligns: columns.map(({ align = 'left' }) => align),
    chars: { ...NO_LINES, middle: '' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  // The distance between columns belongs to the one on the left, also where that is right-aligned.
  const spaced = (cell: string, i: number): string => (i < last && columns[i]?.align === 'right' ? `${cell}  ` : cell);
  const fitted = (cell: string, i: number): string => (i < last ? cell : wrapped(cell, widths[last] ?? 8));
  const heads = columns.map(({ head }) => colour.dim(head));
  drawn.push(...[heads, ...rows].map((row) => row.map(spaced).map(fitted)));
  return drawn
    .toString()
    .split('\n')
    .map((line) => `${' '.repeat(indent)}${line}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

/** A cell that is too wide, cut anywhere into lines (a path must not lose a part): without its colours. */
function wrapped(cell: string, width: number): string {
  if (visible(cell) <= width) return cell;
  const plain = cell.replace(/\x1b\[[0-9;]*m/g, '');
  return (plain.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join('\n');
}

/** Words in lines that fit, all but the first indented by `hang`. */
export function paragraph(words: readonly string[], hang: number, width = terminalWidth()): string {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    const limit = width - (lines.length === 0 ? 0 : hang);
    if (line !== '' && visible(line) + 1 + visible(word) > limit) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return `${lines.join(`\n${' '.repeat(hang)}`)}\n`;
}

/** A title of a section. */
export const title = (text: string): string => `\n${colour.bold(text)}\n`;

/** `180 ms`, `41 s`, `3 min`, `2 h 5 min`, `4 days`. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return `${h} h ${min % 60} min`;
  return `${Math.floor(h / 24)} days`;
}
