/**
 * Where the package is: sources and data lie beside dist.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'test/conformance/bin/stepper.pl'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error('the package with test/conformance/bin cannot be found');
    dir = up;
  }
  return dir;
}
