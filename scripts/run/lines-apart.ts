/**
 * What differs between two texts, line by line.
 */

/** Longer texts are not compared line by line beyond their common beginning and end. */
const MOST_CELLS = 4_000_000;

/** Lines that only the first (`-`) or the second (`+`) has; empty if both are equal. */
export function linesApart(one: string, other: string): string {
  const a = one.split('\n');
  const b = other.split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const left = a.slice(head, a.length - tail);
  const right = b.slice(head, b.length - tail);
  return walk(left, right)
    .map((line) => `${line}\n`)
    .join('');
}

/** Through the table of the longest common subsequences. */
function walk(left: readonly string[], right: readonly string[]): string[] {
  const rows = left.length;
  const width = right.length + 1;
  if (rows * width > MOST_CELLS) return [...left.map((line) => `- ${line}`), ...right.map((line) => `+ ${line}`)];
  const longest = new Uint32Array((rows + 1) * width);
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0;
  for (let i = rows - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      longest[i * width + j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const found: string[] = [];
  let i = 0;
  let j = 0;
  while (i < rows || j < right.length) {
    if (i < rows && j < right.length && left[i] === right[j]) {
      i++;
      j++;
    } else if (i < rows && (j === right.length || at(i + 1, j) >= at(i, j + 1))) found.push(`- ${left[i++]}`);
    else found.push(`+ ${right[j++]}`);
  }
  return found;
}
