/**
 * The two C programs of the comparison, built when they are wanted.
 */
import { join } from 'node:path';
import { Missing, PROJECT, program, workPath } from '../mounts.js';

const SOURCES = join(PROJECT, 'test/bench/files');

async function build(name: string, flags: readonly string[]): Promise<string> {
  const target = workPath(name);
  try {
    await program('gcc', ['-O2', '-Wall', '-o', target, join(SOURCES, `${name}.c`), ...flags]);
  } catch (e) {
    const missing = (e as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Missing(missing ? 'there is no gcc' : `${name}.c cannot be built: ${(e as Error).message}`);
  }
  return target;
}

/** What makes the calls. @throws Missing */
export const buildClient = (): Promise<string> => build('client', []);

/** The tree on libfuse3. @throws Missing */
export async function buildTree(): Promise<string> {
  let flags: string;
  try {
    flags = await program('pkg-config', ['--cflags', '--libs', 'fuse3']);
  } catch {
    throw new Missing('libfuse3-dev or pkg-config is not installed');
  }
  return build('tree', flags.trim().split(/\s+/));
}
