/**
 * Breaks each rule once and expects its test to fail.
 *
 * For every mutant: the source is patched in memory, compiled alone, put into
 * a copy of the build, and the tests of its check are run there. A mutant that
 * survives, that does not compile, or whose text is not found exactly once
 * fails the run; so does a check whose test does not pass unbroken.
 *
 * Usage: npm run mutants [-- CHECK|NAME-PART ...]
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import type { Mutant } from './mutant.js';
import { MUTANTS } from './mutants.js';

const root = resolve(import.meta.dirname, '../../..');
const wanted = process.argv.slice(2);
const chosen = MUTANTS.filter((m) => wanted.length === 0 || wanted.some((w) => m.check === w || m.name.includes(w)));

/** A private copy of the build, so that nothing else sees the broken file. */
function copyOfBuild(): string {
  const dir = mkdtempSync(join(tmpdir(), 'ap-sysfs-mutant-'));
  for (const part of ['lib', 'fs-tree', 'test'])
    cpSync(join(root, 'dist', part), join(dir, 'dist', part), { recursive: true });
  cpSync(join(root, 'package.json'), join(dir, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  return dir;
}

const compiled = (source: string): string => join('dist', source.replace(/\.ts$/, '.js'));

function compile(source: string): string {
  const { outputText, diagnostics } = ts.transpileModule(source, {
    reportDiagnostics: true,
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  });
  if (diagnostics && diagnostics.length > 0) throw new Error('does not compile');
  return outputText;
}

/** Runs the tests of one check; true if they all passed and there was at least one. */
function passes(dir: string, { test, check }: Mutant): Promise<boolean> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [join(dir, compiled(test))],
      { cwd: dir, timeout: 60_000, env: { ...process.env, TAP_GREP: `^${check} ` } },
      (error, stdout) => {
        const ran = new RegExp(`^\\s*ok \\d+ - ${check} (?!.*# SKIP)`, 'm').test(stdout);
        done(!error && ran);
      },
    );
  });
}

const dir = copyOfBuild();
let passed = 0;
const failures: string[] = [];
const sound = new Map<string, boolean>();
try {
  for (const mutant of chosen) {
    const { check, name, file, find, replace, test } = mutant;
    const label = `${check} ${name}`;
    const key = `${test} ${check}`;
    if (!sound.has(key)) sound.set(key, await passes(dir, mutant));
    const source = readFileSync(join(root, file), 'utf8');
    const hits = source.split(find).length - 1;
    const target = join(dir, compiled(file));
    const original = readFileSync(target);
    let verdict = 'caught';
    if (!sound.get(key)) verdict = 'its test does not pass unbroken';
    else if (hits !== 1) verdict = `its text occurs ${hits} times in ${file}`;
    else {
      try {
        writeFileSync(target, compile(source.replace(find, () => replace)));
        if (await passes(dir, mutant)) verdict = 'SURVIVED';
      } catch (e) {
        verdict = String(e);
      } finally {
        writeFileSync(target, original);
      }
    }
    console.log(`${verdict === 'caught' ? 'ok' : 'not ok'} ${label}${verdict === 'caught' ? '' : `: ${verdict}`}`);
    if (verdict === 'caught') passed++;
    else failures.push(label);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 || chosen.length === 0 ? 1 : 0;
