/**
 * One step, recorded and replayed, side by side.
 */
import type { Change, Effects } from './recording.js';
import { type Pair, RULES, type RuleContext } from './rules.js';
import { sameState } from './snapshot.js';

export interface Difference {
  readonly field: 'rc' | 'stdout' | 'stderr' | 'timeout' | 'uevents' | 'kmsg' | 'tree' | 'reason' | 'verdict';
  /** Path in the tree, where it is about one. */
  readonly path?: string;
  readonly expected: string;
  readonly got: string;
}

export interface StepVerdict {
  readonly differences: readonly Difference[];
  /** Rules that made a difference disappear. */
  readonly rules: readonly string[];
}

export function compareStep(expected: Effects, got: Effects, context: RuleContext): StepVerdict {
  let pair: Pair = { expected, got };
  let differences = differencesOf(pair);
  const rules: string[] = [];
  for (const rule of RULES) {
    if (differences.length === 0) break;
    pair = rule.apply(pair, context);
    const left = differencesOf(pair);
    if (weight(left) < weight(differences)) rules.push(rule.name);
    differences = left;
  }
  return { differences, rules };
}

const weight = (differences: readonly Difference[]): number =>
  differences.reduce((sum, { expected, got }) => sum + 1 + expected.length + got.length, 0);

/** Without any rule. */
export function differencesOf({ expected, got }: Pair): Difference[] {
  const out: Difference[] = [];
  const text = (field: 'stdout' | 'stderr'): void => {
    if (expected[field] !== got[field]) out.push({ field, expected: expected[field], got: got[field] });
  };
  if (expected.rc !== got.rc) out.push({ field: 'rc', expected: `${expected.rc}`, got: `${got.rc}` });
  if (expected.timeout !== got.timeout)
    out.push({ field: 'timeout', expected: `${expected.timeout}`, got: `${got.timeout}` });
  text('stdout');
  text('stderr');
  sequence(
    'uevents',
    expected.uevents.map((m) => m.join(' ')),
    got.uevents.map((m) => m.join(' ')),
    out,
  );
  sequence(
    'kmsg',
    expected.kmsg.map((k) => `<${k.level}>${k.text}`),
    got.kmsg.map((k) => `<${k.level}>${k.text}`),
    out,
  );
  out.push(...treeDifferences(expected.changes, got.changes));
  return out;
}

function sequence(field: 'uevents' | 'kmsg', expected: string[], got: string[], out: Difference[]): void {
  if (expected.length === got.length && expected.every((line, i) => line === got[i])) return;
  // Only what is not common at both ends: the rest is what a reader wants to see.
  let from = 0;
  while (from < expected.length && from < got.length && expected[from] === got[from]) from++;
  let end = 0;
  while (
    end < expected.length - from &&
    end < got.length - from &&
    expected[expected.length - 1 - end] === got[got.length - 1 - end]
  )
    end++;
  const part = (lines: string[]): string => lines.slice(from, lines.length - end).join('\n');
  out.push({ field, expected: part(expected), got: part(got) });
}

function treeDifferences(expected: readonly Change[], got: readonly Change[]): Difference[] {
  const out: Difference[] = [];
  const theirs = new Map(expected.map((change) => [change.path, change]));
  const ours = new Map(got.map((change) => [change.path, change]));
  for (const path of new Set([...theirs.keys(), ...ours.keys()])) {
    const a = theirs.get(path);
    const b = ours.get(path);
    if (a && b && equal(a.before, b.before) && equal(a.after, b.after)) continue;
    out.push({ field: 'tree', path, expected: describe(a), got: describe(b) });
  }
  return out.sort((a, b) => ((a.path ?? '') < (b.path ?? '') ? -1 : 1));
}

const equal = (a: Change['before'], b: Change['before']): boolean => (a && b ? sameState(a, b) : a === b);

export function describe(change: Change | undefined): string {
  if (!change) return '(unchanged)';
  const { before, after } = change;
  if (!before) return `added ${JSON.stringify(after)}`;
  if (!after) return 'removed';
  const fields = (Object.keys({ ...before, ...after }) as (keyof typeof before)[]).filter(
    (k) => before[k] !== after[k],
  );
  return fields.map((k) => `${k} ${JSON.stringify(before[k])} -> ${JSON.stringify(after[k])}`).join(', ') || 'touched';
}
