/**
 * Ways to show a machine to a program, best first, and which of them this
 * system allows.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { devFuseProblem } from '../../fs-tree/transport/dev-fuse/dev-fuse.js';
import { helperProblem } from '../../fs-tree/transport/dev-fuse/mount-helper.js';
import { checkHost } from '../../fs-tree/transport/mount-point.js';
import { Failure } from '../failure.js';
import { namespaceProblem } from './namespace.js';
import { UMOCKDEV } from './plan.js';

/**
 * namespace: the program sees it in /sys, whatever it is. preload: a program
 * that uses the C library sees it in /sys, and nothing of the host's. env: the
 * program is told by its environment where /sys is, and must look for that.
 */
export const RECIPES = ['namespace', 'preload', 'env'] as const;
export type Recipe = (typeof RECIPES)[number];

const LIBRARY = `${UMOCKDEV}.0`;

/** umockdev's library, where the usual distributions have it. */
export function preloadLibrary(): string | undefined {
  const folders = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
  try {
    for (const name of readdirSync('/usr/lib')) if (name.includes('-linux-gnu')) folders.push(join('/usr/lib', name));
  } catch {
    // Then only the others.
  }
  return folders.map((folder) => join(folder, LIBRARY)).find((path) => existsSync(path));
}

/** Why nothing can be mounted without name spaces. */
function mountProblem(): string | undefined {
  if (devFuseProblem() === undefined || helperProblem() === undefined) return undefined;
  try {
    checkHost();
    return undefined;
  } catch (e) {
    return (e as Error).message;
  }
}

/** Why that cannot be done here; undefined: it can. */
export const problemOf: Readonly<Record<Recipe, () => string | undefined>> = {
  namespace: namespaceProblem,
  preload: () => (preloadLibrary() === undefined ? `umockdev is not installed (${LIBRARY})` : mountProblem()),
  env: mountProblem,
};

/** The recipe to take: the one that was asked for, else the first that works; says on stderr if it is not the best. */
export function chooseRecipe(asked: Recipe | undefined, say: (line: string) => void): Recipe {
  const problems: string[] = [];
  for (const recipe of asked === undefined ? RECIPES : [asked]) {
    const problem = problemOf[recipe]();
    if (problem === undefined) {
      if (problems.length > 0) say(`recipe ${recipe}: ${MEANING[recipe]} (${problems.join('; ')})`);
      return recipe;
    }
    problems.push(`no ${recipe}: ${problem}`);
  }
  throw new Failure(`a program cannot be run here: ${problems.join('; ')}`, {
    next: 'ap-sysfs doctor    says what is missing, and how to get it',
  });
}

const MEANING: Readonly<Record<Recipe, string>> = {
  namespace: 'the machine is in /sys',
  preload: 'programs that use the C library see the machine in /sys, and nothing else',
  env: 'programs must ask SYSFS_ROOT or AP_SYSFS where the machine is',
};
