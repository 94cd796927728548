/**
 * Clients of the stress test: shell loops that change and read the machine.
 *
 * Each says which errors are fair for it: another client may have changed
 * what it is about to change. Every other message is a failure.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Client {
  readonly name: string;
  /** One round; `$SYS` is the mount, `$i` counts rounds. */
  readonly round: string;
  /** Words of errors that others may cause. */
  readonly fair: readonly string[];
}

const TYPE = '$SYS/devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough';
const SIM = '$SYS/kernel/debug/ap_sim';

/** Adapters 2 and 3 are given to mdevs, so that 0 and 1 may move freely. */
const masks: Client[] = [0, 1, 2, 3].map((card) => ({
  name: `apmask of card ${card}`,
  round: `echo -${card} > $SYS/bus/ap/apmask; echo +${card} > $SYS/bus/ap/apmask`,
  fair: ['Device or resource busy', 'Invalid argument'],
}));

const mdevs: Client[] = [4, 6, 27, 71].map((domain, n) => {
  const uuid = `${String(n).repeat(8)}-1111-4111-8111-111111111111`;
  const dir = `$SYS/devices/vfio_ap/matrix/${uuid}`;
  return {
    name: `mdev ${n}`,
    round: [
      `echo ${uuid} > ${TYPE}/create`,
      `echo ${2 + (n % 2)} > ${dir}/assign_adapter`,
      `echo ${domain} > ${dir}/assign_domain`,
      `echo ${domain} > ${dir}/assign_control_domain`,
      `cat ${dir}/matrix ${dir}/guest_matrix ${dir}/ap_config > /dev/null`,
      `echo ${domain} > ${dir}/unassign_domain`,
      `echo 1 > ${dir}/remove`,
    ].join('; '),
    fair: ['Cannot assign requested address', 'Address already in use'],
  };
});

const bindings: Client[] = ['00.0004', '01.0006'].map((queue) => ({
  name: `bind of ${queue}`,
  round: `for d in cex4queue vfio_ap; do echo ${queue} > $SYS/bus/ap/drivers/$d/unbind; done; echo ${queue} > $SYS/bus/ap/drivers_probe`,
  fair: ['No such device'],
}));

const rest: Client[] = [
  { name: 'scans', round: 'echo 1 > $SYS/bus/ap/scans', fair: [] },
  { name: 'config_time', round: 'echo $((5 + i % 100)) > $SYS/bus/ap/config_time', fair: [] },
  {
    name: 'online',
    round: 'echo 0 > $SYS/devices/ap/card00/online; echo 1 > $SYS/devices/ap/card00/online',
    fair: ['No such device', 'Permission denied', 'No such file or directory'],
  },
  {
    name: 'zcrypt nodes',
    round:
      'echo stress > $SYS/class/zcrypt/create; echo +5 > $SYS/class/zcrypt/stress/ioctlmask; echo stress > $SYS/class/zcrypt/destroy',
    fair: [],
  },
  {
    name: 'a guest',
    round: [
      `echo 99999999-1111-4111-8111-111111111111 > ${TYPE}/create`,
      `echo start 99999999-1111-4111-8111-111111111111 > ${SIM}/guest`,
      `echo reset 99999999-1111-4111-8111-111111111111 > ${SIM}/guest`,
      `echo exit 99999999-1111-4111-8111-111111111111 > ${SIM}/guest`,
      'echo 1 > $SYS/devices/vfio_ap/matrix/99999999-1111-4111-8111-111111111111/remove',
    ].join('; '),
    fair: [],
  },
  {
    name: 'hardware',
    round: [
      'card 3 deconfigure',
      'card 3 configure',
      'card 2 checkstop on',
      'card 2 checkstop off',
      'card 1 remove',
      'card 1 add cex8 ep11',
      'domain 0x47 remove',
      'domain 0x47 add',
    ]
      .map((command) => `echo '${command}' > ${SIM}/hw; sleep 0.01`)
      .join('; '),
    fair: [],
  },
];

export const WRITERS: readonly Client[] = [...masks, ...mdevs, ...bindings, ...rest];

/** What readers may meet: files vanish between listing, opening and reading. */
const VANISHING = ['No such file or directory', 'No such device', 'Input/output error', 'Permission denied'];

export const READERS: readonly Client[] = [
  {
    name: 'find and cat',
    round: 'find $SYS/bus $SYS/devices/ap $SYS/devices/vfio_ap -type f -perm -0400 -print0 | xargs -0 cat > /dev/null',
    fair: VANISHING,
  },
  { name: 'ls -lR', round: 'ls -lR $SYS/devices $SYS/bus > /dev/null', fair: VANISHING },
  { name: 'links', round: 'for l in $SYS/bus/ap/devices/*; do readlink $l > /dev/null; done', fair: VANISHING },
  { name: 'bindings', round: 'cat $SYS/bus/ap/{bindings,apmask,aqmask,scans} > /dev/null', fair: [] },
];

/** How a client ended. */
export interface Ended {
  readonly rounds: number;
  /** What was said that is not fair, each once. */
  readonly unfair: readonly string[];
}

/** Runs rounds until the time is up; a client that then does not end hangs, and is killed. */
export function runClient(client: Client, sys: string, seconds: number): Promise<Ended> {
  const script = `i=0; end=$((SECONDS + ${seconds})); while [ $SECONDS -lt $end ]; do i=$((i+1)); ${client.round}; done; echo $i`;
  return new Promise((done) => {
    // What a shell of this user does first (BASH_ENV, .bashrc) is nobody's business here.
    const env = { ...process.env, SYS: sys, LC_ALL: 'C', BASH_ENV: '' };
    const child = spawn('bash', ['--norc', '-c', script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let rounds = '';
    const unfair = new Set<string>();
    const end = (): void => done({ rounds: Number(rounds), unfair: [...unfair] });
    const stuck = setTimeout(
      () => {
        child.kill('SIGKILL');
        rounds = '0';
        unfair.add(`${client.name}: hangs`);
        end();
      },
      (seconds + 30) * 1000,
    );
    child.stdout.on('data', (data: Buffer) => {
      rounds += data.toString();
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line !== '' && !client.fair.some((fair) => line.includes(fair))) unfair.add(`${client.name}: ${line}`);
    });
    child.on('close', () => {
      clearTimeout(stuck);
      end();
    });
  });
}
