/**
 * Bar charts of the figures, as one picture without anything from elsewhere.
 */
import type { Bars } from './section.js';

const WIDTH = 640;
const LABEL = 130;
const BAR = 18;
const HEAD = 34;
const OURS = 'dev-fuse';

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function bar(name: string, value: number, most: number, unit: string, y: number): string {
  const length = Math.max(1, Math.round(((WIDTH - LABEL - 90) * value) / most));
  const words = `${value.toFixed(value < 10 ? 2 : 1)} ${unit}`;
  return [
    `<text x="${LABEL - 8}" y="${y + 13}" text-anchor="end">${escaped(name)}</text>`,
    `<rect x="${LABEL}" y="${y + 2}" width="${length}" height="${BAR - 5}" fill="${name === OURS ? '#2a78d6' : '#b5b3ac'}"/>`,
    `<text x="${LABEL + length + 6}" y="${y + 13}">${words}</text>`,
  ].join('\n');
}

/** @param note what it was measured on */
export function svg(charts: readonly Bars[], note: string): string {
  const parts: string[] = [];
  let y = 8;
  for (const { title, unit, bars } of charts) {
    parts.push(`<text x="${LABEL}" y="${y + 18}" font-weight="bold">${escaped(title)}</text>`);
    y += HEAD - 6;
    const most = Math.max(...bars.map(({ value }) => value));
    for (const { name, value } of bars) {
      parts.push(bar(name, value, most, unit, y));
      y += BAR;
    }
    y += 12;
  }
  parts.push(`<text x="8" y="${y + 14}" font-size="10" fill="#666">${escaped(note)}</text>`);
  const height = y + 24;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`,
    '  font-family="system-ui, sans-serif" font-size="12" fill="#222">',
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}
