/**
 * The recorder's script, run on a mounted machine.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Failure } from '../failure.js';

/** In the package: it is not compiled. */
export const RECORD_SCRIPT = new URL('../../../scripts/record/ap-sysfs-record.sh', import.meta.url);

/** @returns what it wrote to stdout, unless `toStdout`: then it is the command's own @throws Failure */
export function runRecorder(mountPoint: string, { toStdout = false, options = [] as readonly string[] } = {}): string {
  const { status, signal, error, stdout } = spawnSync(
    'sh',
    [fileURLToPath(RECORD_SCRIPT), '-r', mountPoint, ...options],
    {
      stdio: ['ignore', toStdout ? 'inherit' : 'pipe', 'inherit'],
      encoding: 'latin1',
      maxBuffer: 1 << 30,
    },
  );
  if (error) throw new Failure(`sh cannot be started: ${error.message}`);
  // Who reads the record has had enough (`| head`).
  const unread = toStdout && (signal === 'SIGPIPE' || status === 128 + 13);
  if (status !== 0 && !unread) throw new Failure('the machine could not be recorded');
  return stdout ?? '';
}
