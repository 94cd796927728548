/**
 * A mounted machine under a small Debian in name spaces of its own: the machine is its /sys, and its processes, devices,
 * network and files are not the host's. What runs there ends with the test.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { isRoot, type Outcome, PROJECT } from '../support/mounted.js';
import { CLIENTS, UNSHARE } from './available.js';
import { mountMachine } from './host.js';

/** What a client that hangs may take, on a busy machine. */
const CLIENT_SECONDS = 60;
const ENTER = join(PROJECT, 'test/clients/bin/enter.sh');

/** Commands of the shell there, besides those of Debian. */
const PRELUDE = `
  s390() { # [-VERSION] TOOL ARGUMENT..
    local version=
    case $1 in -2.*) version=$1; shift ;; esac
    local tool=$1; shift
    local path=/mnt/clients/s390x$version/usr/sbin/$tool
    [ -e "$path" ] || path=/mnt/clients/s390x$version/usr/bin/$tool
    /mnt/clients/qemu/usr/bin/qemu-s390x -0 "$tool" -L /mnt/clients/s390x "$path" "$@"
  }
  mdevctl12() {
    mkdir -p /etc/mdevctl.d/scripts.d/callouts /etc/mdevctl.d/scripts.d/notifiers # as its package does
    /mnt/clients/mdevctl-1.2/usr/bin/mdevctl "$@"
  }
  hw() { echo "$*" > /sys/kernel/debug/ap_sim/hw; }
  node() { : > "/dev/$1"; mount --bind /dev/null "/dev/$1"; }
  P=/sys/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough M=/sys/devices/vfio_ap/matrix B=/sys/bus/ap
`;

/** libudev wants a real sysfs, which no mount in user space can be. */
const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin', HOME: '/root', LC_ALL: 'C', SYSTEMD_DEVICE_VERIFY_SYSFS: '0' };

export class DebianHost {
  readonly #keeper: ChildProcess;

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper;
  }

  /** @param machine preset, or the text of a machine file */
  static async boot(t: Test, machine = 'default'): Promise<DebianHost> {
    const sys = await mountMachine(t, machine);
    const work = mkdtempSync(join(tmpdir(), 'ap-sysfs-debian-'));
    const keeper = spawn('unshare', [...UNSHARE, ENTER, join(CLIENTS, 'debian'), sys, work], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ended = new Promise<void>((resolve) => keeper.once('close', () => resolve()));
    t.teardown(async () => {
      keeper.kill('SIGKILL');
      await ended;
      rmSync(work, { recursive: true });
    });
    t.equal(await firstLine(keeper), 'ready', 'the name spaces are furnished');
    return new DebianHost(keeper);
  }

  /** Has uevents sent, and udevd looking after them. */
  async startUdev(t: Test): Promise<void> {
    const relay = this.#spawn('exec python3 /mnt/bin/relay-uevents.py /sys/kernel/debug/ap_sim/uevents');
    t.equal(await firstLine(relay), 'ready', 'uevents are sent');
    await this.good(t, '/usr/lib/systemd/systemd-udevd --daemon 2> /tmp/udevd.log && udevadm control --ping');
  }

  /** Waits until udevd is through with every event so far. */
  async settleUdev(t: Test): Promise<void> {
    const last = "grep -o '^SEQNUM=.*' /sys/kernel/debug/ap_sim/uevents | tail -1";
    await this.good(
      t,
      `last=$(${last}); for n in $(seq 200); do [ "$(cat /run/uevents-sent)" = "\${last#*=}" ] && break; sleep 0.05; done; udevadm settle`,
    );
  }

  /** Runs a command of bash. */
  run(command: string): Promise<Outcome> {
    return new Promise((resolve) => {
      execFile(
        'nsenter',
        this.#enter(command),
        { env: ENVIRONMENT, timeout: CLIENT_SECONDS * 1000, maxBuffer: 1 << 26 },
        (error, stdout, stderr) => {
          const code = error ? error.code : 0;
          resolve({ status: typeof code === 'number' ? code : null, stdout, stderr });
        },
      );
    });
  }

  /** Runs commands that must succeed without a complaint; their output. */
  async good(t: Test, command: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(command);
    t.same({ status, stderr }, { status: 0, stderr: '' }, command.trim().replace(/\n.*/s, ' ..'));
    return stdout;
  }

  #spawn(command: string): ChildProcess {
    return spawn('nsenter', this.#enter(command), { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'inherit'] });
  }

  #enter(command: string): string[] {
    const { pid } = this.#keeper;
    const user = isRoot ? [] : ['-U', '--preserve-credentials'];
    const spaces = [...user, '-t', `${pid}`, '-m', '-n', `--pid=/proc/${pid}/ns/pid_for_children`];
    return [...spaces, '/usr/bin/bash', '--norc', '-c', PRELUDE + command];
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.once('line', resolve);
    lines.once('close', () => resolve('it ended'));
  });
}
