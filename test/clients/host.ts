/**
 * A mounted machine, and a shell in which the tools of s390-tools are commands.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { Daemon, mountCommand, type Outcome, PROJECT, shell } from '../support/mounted.js';
import { CLIENTS } from './available.js';

/** 2.40: that of scripts/s390. */
export type S390Tools = '2.40' | '2.35' | '2.16';

/** An older one runs with the libraries of the newest. */
const older = (version: S390Tools): string =>
  `SYSFS_ROOT=$AP_SYSFS ${CLIENTS}/qemu/usr/bin/qemu-s390x -0 "$1" -L ${CLIENTS}/s390x ${CLIENTS}/s390x-${version}/usr/sbin/"$@"`;

/**
 * Mounts a machine until the test ends.
 * @param machine preset, or the text of a machine file
 * @returns where
 */
export async function mountMachine(t: Test, machine: string): Promise<string> {
  let file = machine;
  if (machine.includes('\n')) {
    const folder = mkdtempSync(join(tmpdir(), 'ap-sysfs-machine-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    file = join(folder, 'machine.yaml');
    writeFileSync(file, machine);
  }
  const daemon = Daemon.start(t, {
    command: mountCommand('--machine', file),
    // More than a hundred programs under emulation, perhaps on a busy machine.
    seconds: 600,
  });
  t.match(await daemon.line(), /mounted on/);
  return daemon.directory;
}

/** A mounted machine and a shell in which the tools are commands, as the recorder's shell was. */
export class Host {
  readonly #prelude: string;

  private constructor(
    readonly sys: string,
    version: S390Tools,
  ) {
    this.#prelude = `
      export AP_SYSFS=${sys} B=${sys}/bus/ap D=${sys}/devices/ap M=${sys}/devices/vfio_ap/matrix
      P=$M/mdev_supported_types/vfio_ap-passthrough
      s390() { ${version === '2.40' ? `${PROJECT}scripts/s390 "$@"` : older(version)}; }
      lszcrypt() { s390 lszcrypt "$@"; }
      chzcrypt() { s390 chzcrypt "$@"; }
      zcryptctl() { s390 zcryptctl "$@"; }
      hw() { echo "$*" > ${sys}/kernel/debug/ap_sim/hw; }
    `;
  }

  /** @param machine preset, or the text of a machine file */
  static async boot(t: Test, machine = 'default', version: S390Tools = '2.40'): Promise<Host> {
    return new Host(await mountMachine(t, machine), version);
  }

  /** Runs a command; paths in its output are those of a system whose /sys this is. */
  async run(command: string): Promise<Outcome> {
    const { status, stdout, stderr } = await shell(this.#prelude + command, 30);
    return { status, stdout: stdout.replaceAll(this.sys, '/sys'), stderr: stderr.replaceAll(this.sys, '/sys') };
  }

  /** Runs commands that must succeed without a complaint. */
  async good(t: Test, command: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(command);
    t.same({ status, stderr }, { status: 0, stderr: '' }, command);
    return stdout;
  }
}
