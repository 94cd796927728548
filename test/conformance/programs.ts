/**
 * The programs on the PATH of a replay: the recorder's own, all in one script,
 * and the real clients where scripts/get-clients.sh has put them.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const OURS = [
  'hw',
  'vfioguest',
  'cryptoload',
  'zcdev',
  'sio',
  'orun',
  'modprobe',
  'rmmod',
  'lsmod',
  'dmesg',
  'sleep',
  'date',
  'timeout',
  'uname',
];

const S390_CLIENTS = ['lszcrypt', 'chzcrypt', 'zcryptctl'];

/** Where the real clients are, or why they are not. */
export interface Clients {
  readonly s390: string | undefined;
  readonly mdevctl: string | undefined;
}

export function findClients(packageRoot: string): Clients {
  const dir = process.env.AP_SYSFS_CLIENTS ?? join(packageRoot, 'test/conformance/.clients');
  const executable = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  const s390 = executable(join(dir, 'qemu/usr/bin/qemu-s390x')) && executable(join(dir, 's390x/usr/sbin/lszcrypt'));
  return {
    s390: s390 ? dir : undefined,
    mdevctl: executable(join(dir, 'native/run-mdevctl')) ? dir : undefined,
  };
}

/** Fills a directory for the PATH. */
export function clientPrograms(bin: string, packageRoot: string): void {
  const programs = join(packageRoot, 'test/conformance/bin');
  for (const name of OURS) symlinkSync(join(programs, 'ap-sim'), join(bin, name));
  const { s390, mdevctl } = findClients(packageRoot);
  if (s390)
    for (const name of S390_CLIENTS)
      script(
        join(bin, name),
        `exec ${s390}/qemu/usr/bin/qemu-s390x -0 ${name} -L ${s390}/s390x ${s390}/s390x/usr/sbin/${name} "$@"`,
      );
  if (mdevctl) script(join(bin, 'mdevctl'), `exec ${mdevctl}/native/run-mdevctl "$@"`);
}

/** Builds what lets ordinary programs open the simulated device nodes; undefined without a C compiler. */
export function nodeOpener(dir: string, packageRoot: string): string | undefined {
  const library = join(dir, 'open-node.so');
  const args = [
    '-shared',
    '-fPIC',
    '-O1',
    '-o',
    library,
    join(packageRoot, 'test/conformance/bin/open-node.c'),
    '-ldl',
  ];
  return spawnSync('cc', args, { stdio: 'ignore' }).status === 0 ? library : undefined;
}

/** Real clients that a step needs and that are not there. */
export function missingClient(cmd: string, clients: Clients): string | undefined {
  const uses = (name: string): boolean => new RegExp(`(?:^|[\\s;(|&'"])${name}(?:$|[\\s;)|&'"])`).test(cmd);
  const s390 = S390_CLIENTS.find(uses);
  if (s390 && !clients.s390) return `${s390} is not there: run scripts/get-clients.sh`;
  if (uses('mdevctl') && !clients.mdevctl) return 'mdevctl 1.4 is not there: run scripts/get-clients.sh';
  return undefined;
}

function script(path: string, body: string): void {
  // What lets ordinary programs open device nodes is not built for these.
  writeFileSync(path, `#!/bin/sh\nunset LD_PRELOAD\n${body}\n`);
  chmodSync(path, 0o755);
}
