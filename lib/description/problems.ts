/**
 * Where checks put what they find.
 */
import type { FieldPath, Problem } from './problem.js';

/** Collects problems. */
export class Problems {
  readonly list: Problem[] = [];

  error(path: FieldPath, text: string, character?: number): void {
    this.list.push({ severity: 'error', path, text, ...(character !== undefined && { character }) });
  }

  warning(path: FieldPath, text: string, character?: number): void {
    this.list.push({ severity: 'warning', path, text, ...(character !== undefined && { character }) });
  }

  /** One warning a list: what is in it twice. */
  twice(path: FieldPath, ids: readonly number[]): void {
    const seen = new Set<number>();
    const twice = new Set<number>();
    for (const id of ids) (seen.has(id) ? twice : seen).add(id);
    if (twice.size > 0) this.warning(path, `${idText([...twice])} ${twice.size > 1 ? 'are' : 'is'} there twice`);
  }

  /** One error a list: ids above the limit. */
  above(path: FieldPath, kind: 'adapter' | 'domain', ids: readonly number[], limit: number): void {
    const over = ids.filter((id) => id > limit);
    if (over.length === 0) return;
    const why = limit === 255 ? 'the greatest there can be' : `limits.${kind}`;
    this.error(path, `${kind} ${idText(over)} ${over.length > 1 ? 'are' : 'is'} above ${limit}, ${why}`);
  }
}

/** Ids as files write them: `1, 4-7`. */
export function idText(ids: readonly number[]): string {
  const runs: [from: number, to: number][] = [];
  for (const id of [...new Set(ids)].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[1] === id - 1) last[1] = id;
    else runs.push([id, id]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
