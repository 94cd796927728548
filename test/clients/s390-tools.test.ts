/**
 * The real lszcrypt and chzcrypt of s390-tools 2.40, s390x programs under
 * user-mode emulation, on mounted machines: they print what they printed on
 * real kernels, and no option of theirs meets an error.
 *
 * They run by scripts/s390 and come from scripts/get-clients.sh; where they are
 * not, the tests are skipped, in CI they fail.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadRecording, type Step } from '../conformance/recording.js';
import { ASKED_TRANSPORT, type Outcome, PROJECT, shell } from '../support/mounted.js';
import { noS390Tools } from './available.js';
import { Host } from './host.js';

const RECORDINGS = join(PROJECT, 'test/conformance/recordings/7.2');
const TOOL = /\b(?:lszcrypt|chzcrypt)\b/;

const skip = noS390Tools();
if (skip) process.stderr.write(`the real lszcrypt and chzcrypt do not run: ${skip}\n`);

t.test('in CI, the real programs run', { skip: process.env.CI ? false : 'not in CI' }, async (t) => {
  t.equal(skip, false);
});

interface Playing {
  readonly from?: number;
  readonly to?: number;
  /** Steps that need the recorder's own programs, and change nothing that is compared. */
  readonly without?: RegExp;
}

/** Plays a recording, and compares what the tools print and how they end. */
async function play(t: Test, host: Host, name: string, { from, to, without }: Playing = {}): Promise<void> {
  const { steps } = loadRecording(join(RECORDINGS, `${name}.json`), name);
  let compared = 0;
  for (const { cmd, rc, stdout, stderr } of steps.slice(from, to) as Step[]) {
    if (without?.test(cmd)) continue;
    const got = await host.run(cmd);
    if (!TOOL.test(cmd) && !/^cat \$B/.test(cmd)) continue;
    t.same({ cmd, ...got }, { cmd, status: rc, stdout, stderr });
    compared++;
  }
  t.ok(compared > 2, 'something was compared');
}

t.test('scripts/s390 says what is missing', async (t) => {
  const s390 = (words: string): Promise<Outcome> => shell(`unset AP_SYSFS; ${words}`);
  const script = `${PROJECT}scripts/s390`;
  t.match(await s390(`AP_SYSFS_CLIENTS=/nonexistent ${script} lszcrypt`), { status: 127, stderr: /get-clients\.sh/ });
  t.match(await s390(`${script} rm`), { status: 2, stderr: /^s390: usage: / });
  t.match(await s390(`${script} --sys`), { status: 2, stderr: /needs a directory/ });
  t.match(await s390(`${script} --help`), { status: 0, stdout: /^s390 \[--sys DIR\] lszcrypt/ });
  if (!skip) t.match(await s390(`${script} --sys /nonexistent lszcrypt`), { status: 3, stderr: /ap-sysfs status/ });
});

// Two machines at a time: a tool and its machine wait for each other.
t.jobs = 2;

t.test('a user who has a machine gets his, whatever others have mounted', { skip }, async (t) => {
  if (process.getuid?.() !== 0) return t.comment('not looked at: needs root, to be two users');
  await Host.boot(t, 'small');
  const home = mkdtempSync(join(tmpdir(), 'ap-sysfs-nobody-'));
  t.teardown(async () => {
    await shell(`umount -f ${home}/sys`);
    rmSync(home, { recursive: true });
  });
  const nobody = `cd / && setpriv --reuid 65534 --regid 65534 --clear-groups env -u AP_SYSFS AP_SYSFS_RUNTIME_DIR=${home}/run`;
  const command = `${process.execPath} ${PROJECT}dist/scripts/ap-sysfs.js`;
  await shell(`mkdir ${home}/sys && chown -R 65534:65534 ${home}`);
  const mounted = await shell(
    `${nobody} ${command} mount ${home}/sys --machine small --transport ${ASKED_TRANSPORT}`,
    60,
  );
  if (mounted.status !== 0) return t.comment(`not looked at: ${mounted.stderr}`);
  const { status, stdout, stderr } = await shell(`${nobody} ${PROJECT}scripts/s390 lszcrypt`, 60);
  t.same({ status, stderr }, { status: 0, stderr: '' });
  t.match(stdout, /^00\.0006 +CEX8C/m);
  t.equal((await shell(`${nobody} ${command} umount ${home}/sys`)).status, 0);
});

t.test('1 on the default machine, as recorded', { skip }, async (t) => {
  t.test('1.1 everything that lszcrypt shows', async (t) => {
    await play(t, await Host.boot(t), '01-read-everything');
  });
  t.test('1.2 chzcrypt and the settings of the bus', async (t) => {
    await play(t, await Host.boot(t), '57-chzcrypt');
  });
  t.test('1.3 chzcrypt configures cards', async (t) => {
    await play(t, await Host.boot(t), '10-card-config');
  });
});

/** The recorder's machine in other surroundings. */
const LIKE_DEFAULT = `
adapters:
  - {id: 0, type: cex8, mode: cca}
  - {id: 1, type: cex8, mode: ep11}
  - {id: 2, type: cex7, mode: accel}
  - {id: 3, type: cex6, mode: cca}
domains: {usage: [0x04, 0x06, 0x1b, 0x47]}
`;

t.test('2 on other machines, as recorded', { skip }, async (t) => {
  t.test('2.1 without interrupts, the poll thread can be switched', async (t) => {
    const host = await Host.boot(t, `${LIKE_DEFAULT}kernel: {command-line: ap.useirq=0}\n`);
    await play(t, host, '07-poll-thread-noirq', { without: /cryptoload/ });
  });
  t.test('2.2 a secure-execution guest binds and associates queues', async (t) => {
    const host = await Host.boot(t, `${LIKE_DEFAULT}system: kvm\nsecure-execution: true\n`);
    await play(t, host, '54-se-guest', { from: 31, to: 35 });
  });
});

/** What both machines of the next tests are, in figures. */
interface Size {
  readonly cards: number;
  readonly queues: number;
}

async function listings(t: Test, host: Host, { cards, queues }: Size): Promise<void> {
  const rows = async (options: string): Promise<string[]> => {
    const [head, rule, ...rest] = (await host.good(t, `lszcrypt ${options}`)).trimEnd().split('\n');
    t.match(head, /^CARD\.DOM TYPE {2}MODE {8}STATUS/, options);
    t.match(rule, /^-+$/);
    return rest;
  };
  for (const options of ['', '-V', '-VV', '-VVV']) {
    const lines = await rows(options);
    t.equal(lines.length, cards + queues, `lszcrypt ${options} lists every card and queue`);
    t.notOk(
      lines.find((line) => !/^[0-9a-f]{2}(\.[0-9a-f]{4})? +CEX[678][ACP] +\S+ +online /.test(line)),
      'all of them online',
    );
  }
  const onlyCards = await rows('--cardonly');
  t.equal(onlyCards.length, cards);
  t.equal((await rows('--queueonly .6')).length, cards);
  const accelerators = onlyCards.filter((line) => line.includes('Accelerator')).length;
  const modes = [];
  for (const mode of ['accel', 'cca', 'ep11']) modes.push((await rows(`--cardonly --${mode}only`)).length);
  t.equal(modes[0], accelerators);
  t.equal(
    modes.reduce((a, b) => a + b),
    cards,
    'each card has one of three modes',
  );
  t.equal((await rows('.4')).length, cards, 'one domain of every card');
  t.equal((await rows('2')).length, 1 + queues / cards, 'a card with its queues');
  t.equal((await rows('-V 02.0004')).length, 1);
  t.equal((await rows('-s')).length, cards - accelerators, 'accelerators have no serial number');
  t.same(await rows('--verbose 2.4'), await rows('-V 2.4'), 'long options too');
  t.match(await host.good(t, 'lszcrypt -b'), /^features: .*APSB\nap_domain=0x\d+\nap_max_domain_id=0xff\n/);
  t.match(
    await host.good(t, 'lszcrypt -d'),
    /^DOMAIN 00 .*\n-+\n( +[0-9a-f]0( +[.BCU]){16}\n){16}-+\nC: Control domain\n/,
  );
  t.match(
    await host.good(t, 'lszcrypt -c 0'),
    /^card00 provides capability for:\nRSA 4K Clear Key\nCCA Secure Key \(full function set\)\nLong RNG\n/,
  );
  t.match(await host.good(t, 'lszcrypt -v'), /version 2\.4\d/);
  t.match(await host.good(t, 'lszcrypt -h'), /^Usage: lszcrypt/);
}

async function changes(t: Test, host: Host, { cards, queues }: Size): Promise<void> {
  const files = (glob: string): Promise<string> => host.good(t, `cat $D/${glob} | sort | uniq -c | tr -s ' \\n' ' '`);
  const [perCard, all] = [queues / cards, cards + queues];
  const online = async (expected: string, why: string): Promise<void> => {
    t.equal((await files('{card*/,card*/*.*/}online')).trim(), expected, why);
  };
  await host.good(t, 'chzcrypt -d 0');
  await online(`${1 + perCard} 0 ${all - 1 - perCard} 1`, 'a card with its queues');
  await host.good(t, 'chzcrypt -e 0');
  await online(`${all} 1`, 'and back');
  await host.good(t, 'chzcrypt -d 01.0004 03.0006');
  await online(`2 0 ${all - 2} 1`, 'two queues');
  t.match(await host.good(t, 'lszcrypt 1.4'), /01\.0004 .* offline /);
  await host.good(t, 'chzcrypt --enable 01.0004 03.0006');
  t.match(await host.good(t, 'chzcrypt -V -d 02'), /card02 offline/);
  await host.good(t, 'chzcrypt --disable -a');
  await online(`${all} 0`, 'all');
  await host.good(t, 'chzcrypt -e --all');
  await online(`${all} 1`, 'all');
  await host.good(t, 'chzcrypt --config-off 02 03');
  t.match(await host.good(t, 'lszcrypt 2 3'), /^02 .* deconfig (?:.*\n)+03 .* deconfig /m);
  await host.good(t, 'chzcrypt --config-on 02 03');
  // If the timer had the bus scanned meanwhile, queues learn only from the next scan that their card is back.
  await host.good(t, 'echo 1 > $B/scans');
  await host.good(t, 'chzcrypt -e 02 03');
  await online(`${all} 1`, 'configured again');
  await host.good(t, 'chzcrypt -n');
  await host.good(t, 'chzcrypt --config-time 60 --poll-timeout 500000');
  await host.good(t, 'chzcrypt --default-domain 6');
  t.equal(await host.good(t, 'cat $B/poll_thread $B/config_time $B/ap_domain'), '0\n60\n6\n');
  t.match(await host.good(t, 'chzcrypt -v'), /version 2\.4\d/);
  t.match(await host.good(t, 'chzcrypt --help'), /^Usage: chzcrypt/);
}

for (const [machine, size] of [
  ['default', { cards: 4, queues: 16 }],
  ['large', { cards: 16, queues: 256 }],
] as const)
  t.test(`every option on ${machine}`, { skip }, async (t) => {
    const host = await Host.boot(t, machine);
    await listings(t, host, size);
    await changes(t, host, size);
  });

t.test(
  'lszcrypt -V in a guest lists the guest_matrix of its host, row by row of the worked example',
  { skip },
  async (t) => {
    const U = '11111111-1111-4111-8111-111111111111';
    const host = await Host.boot(
      t,
      `adapters:\n  - {id: 5-6, type: cex8, mode: cca}\ndomains: {usage: "4, 0xab"}\nkernel: {version: 7.2}\n`,
    );
    const sim = `${host.sys}/kernel/debug/ap_sim`;
    await host.good(t, `echo ${U} > $P/create; echo 'start ${U} name=vm' > ${sim}/guest`);
    const rows: readonly (readonly [string, string])[] = [
      [`echo 5 > $M/${U}/assign_adapter; echo -5 > $B/apmask`, ''],
      [`echo 4 > $M/${U}/assign_domain`, '05.0004'],
      [`echo 0xab > $M/${U}/assign_domain`, '05.0004 05.00ab'],
      [`echo 7 > $M/${U}/assign_domain`, '05.0004 05.00ab'],
      [`echo 05.00ab > $B/drivers/vfio_ap/unbind`, ''],
      [`echo 0xab > $M/${U}/unassign_domain`, ''],
      [`config=$(cat $M/${U}/ap_config); echo $config > $M/${U}/ap_config`, '05.0004'],
      ['hw card 5 apm off; echo 1 > $B/scans', ''],
      ['hw card 5 apm on; echo 1 > $B/scans', '05.0004'],
    ];
    for (const [command, queues] of rows) {
      await host.good(t, command);
      const matrix = await host.good(t, `grep -E '^..[.]....$' $M/${U}/guest_matrix || true`);
      t.equal(matrix.trim().split('\n').join(' '), queues, command);
      await host.good(t, `echo 1 > ${sim}/guests/vm/sys/bus/ap/scans`);
      const { stdout } = await host.run(`AP_SYSFS=${sim}/guests/vm/sys lszcrypt -V`);
      const listed = [...stdout.matchAll(/^([0-9a-f]{2}\.[0-9a-f]{4})\s/gm)].map(([, name]) => name);
      t.equal(listed.join(' '), queues, `lszcrypt -V after ${command}`);
    }
    t.match(await host.good(t, `AP_SYSFS=${sim}/guests/vm/sys lszcrypt -V 05.0004`), /CEX8C +CCA-Coproc +online/);
  },
);
