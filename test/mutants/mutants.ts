/**
 * All mutants: the rules of the acceptance checks (spec/seeds-map.md), and others.
 */
import { GUEST_ROWS } from './guests.js';
import type { Mutant, Row } from './mutant.js';
import { MORE, PROFILE } from './others.js';
import { REQUESTS } from './requests.js';
import { SEED_000 } from './seed-000.js';
import { SEED_001 } from './seed-001.js';
import { SEED_002 } from './seed-002.js';
import { SEED_003 } from './seed-003.js';
import { SEED_004 } from './seed-004.js';

/** "2-4" is of seed 002. */
const testOf = (check: string): string => `test/scenario/seed-00${check[0]}.test.ts`;

const mutant = (test: string, [check, name, file, find, replace]: Row): Mutant => ({
  check,
  name,
  file,
  find,
  replace,
  test,
});

export const MUTANTS: readonly Mutant[] = [
  ...[...SEED_000, ...SEED_001, ...SEED_002, ...SEED_003, ...SEED_004].map((row) => mutant(testOf(row[0]), row)),
  ...[...MORE, ...GUEST_ROWS].map(([test, ...row]) => mutant(`test/scenario/${test}.test.ts`, row)),
  ...REQUESTS.map(([test, ...row]) => mutant(`test/unit/${test}.test.ts`, row)),
  ...PROFILE.map(([check, value, other]) =>
    mutant('test/scenario/versions.test.ts', [check, `has ${other}`, 'lib/profile/tables.ts', value, other]),
  ),
];
