/**
 * Which of the real programs are there, and whether they can run here; where not, why: the `skip` of tests.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { findClients } from '../conformance/programs.js';
import { cannotMount, isRoot, PROJECT } from '../support/mounted.js';

/** Where scripts/get-clients.sh has put them. */
export const CLIENTS = process.env.AP_SYSFS_CLIENTS ?? join(PROJECT, 'test/conformance/.clients');

/** New name spaces; an ordinary user is root in his own. */
export const UNSHARE: readonly string[] = [...(isRoot ? [] : ['-Ur']), '-mpnf', '--mount-proc', '--kill-child'];

/** lszcrypt, chzcrypt and zcryptctl of s390-tools 2.40 on a mount. */
export function noS390Tools(): string | false {
  const absent = findClients(PROJECT).s390 === undefined;
  return (absent && 'the real programs are not there: run scripts/get-clients.sh') || cannotMount();
}

/** What `get-clients.sh --all` brings besides, by its path below CLIENTS. */
export function noClient(path: string): string | false {
  const absent = !existsSync(join(CLIENTS, path));
  return (absent && `${path} is not there: run scripts/get-clients.sh --all`) || noS390Tools();
}

let cannot: string | false | undefined;

/** The small Debian, to be entered in name spaces of its own. */
export function noDebian(): string | false {
  const absent = noClient('debian/usr/bin/virsh');
  if (absent) return absent;
  const debian = join(CLIENTS, 'debian');
  if (!isRoot && statSync(debian).uid !== process.getuid?.())
    return `${debian} belongs to somebody else, who alone can be root in it`;
  cannot ??= cannotUnshare();
  return cannot;
}

/** Tries what enter.sh does, in name spaces that end at once. */
function cannotUnshare(): string | false {
  const needed =
    'mount -t tmpfs none /mnt && mkdir /mnt/a /mnt/b /mnt/c && mount -t sysfs none /mnt/a && mount -t overlay -o lowerdir=/etc,upperdir=/mnt/b,workdir=/mnt/c none /mnt/a';
  const { status, stderr } = spawnSync('unshare', [...UNSHARE, 'sh', '-c', needed], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return status === 0 ? false : `no name spaces with mounts of their own: ${(stderr ?? '').trim() || 'unshare failed'}`;
}

/** Tells why, and lets it be no excuse in CI: for root at least, to whom nothing is forbidden. */
export function explainSkip(t: Test, skip: string | false, what: string): void {
  if (skip) process.stderr.write(`${what} not run: ${skip}\n`);
  const inCi = process.env.CI && (isRoot || skip === false);
  t.test(`in CI, ${what} run`, { skip: inCi ? false : 'not root in CI' }, async (t) => {
    t.equal(skip, false);
  });
}
