/**
 * Many clients at once: nothing hangs, no error that is not fair, no lock in
 * the wrong order, and in the end a machine that a sequential one explains.
 */
import t from 'tap';
import { cannotMount, Daemon, mountCommand, shell } from '../support/mounted.js';
import { type Client, READERS, runClient, WRITERS } from './stress-clients.js';

const SECONDS = Number(process.env.STRESS_SECONDS ?? 8);
const CLIENTS_OF_A_KIND = 16;

/** Brings the machine back to where it was at boot, by the ordinary means. */
const BACK_TO_BASE = `
cd $SYS
for m in devices/vfio_ap/matrix/*-*-*-*-*; do [ -e $m/remove ] && echo 1 > $m/remove; done
echo 30 > bus/ap/config_time
for c in 0 1 2 3; do echo "card $c remove" > kernel/debug/ap_sim/hw; done
echo 1 > bus/ap/scans
echo +0-255 > bus/ap/apmask
for c in '0 add cex8 cca' '1 add cex8 ep11' '2 add cex7 accel' '3 add cex6 cca'; do echo "card $c" > kernel/debug/ap_sim/hw; done
echo settle > kernel/debug/ap_sim/clock
echo 1 > bus/ap/scans
echo settle > kernel/debug/ap_sim/clock
`;

/** Every path with its link target or content, less what counts events. */
const DUMP = `
cd $SYS
find bus class/zcrypt class/vfio class/mdev_bus devices kernel/iommu_groups module | LC_ALL=C sort | while read -r p; do
  case $p in
    */request_count|*/scans|*/bindings_complete_count) echo "$p" ;;
    *) if [ -L "$p" ]; then echo "$p -> $(readlink "$p")"
       elif [ -f "$p" ]; then echo "$p = $(cat "$p" 2>&1)"
       else echo "$p/"; fi ;;
  esac
done`;

t.setTimeout((SECONDS + 150) * 1000);

const at = (sys: string, script: string): string => `export SYS=${sys}; ${script}`;

t.test(
  `${2 * CLIENTS_OF_A_KIND} clients change and read the machine at once, and it comes back to its base`,
  { skip: cannotMount(), timeout: (SECONDS + 120) * 1000 },
  async (t) => {
    const daemon = Daemon.start(t, {
      command: mountCommand(),
      seconds: SECONDS + 110,
    });
    t.match(await daemon.line(), /mounted on/);
    const sys = daemon.directory;
    const before = await shell(at(sys, DUMP), 30);
    t.equal(before.status, 0);
    t.ok(before.stdout.length > 10_000, 'a dump is a dump');

    t.equal(WRITERS.length, CLIENTS_OF_A_KIND);
    const readers = Array.from({ length: CLIENTS_OF_A_KIND }, (_, n) => READERS[n % READERS.length] as Client);
    const clients = [...WRITERS, ...readers];
    const ended = await Promise.all(clients.map((client) => runClient(client, sys, SECONDS)));
    t.same(
      ended.flatMap(({ unfair }) => unfair),
      [],
      'no hang and no error that is not fair',
    );
    t.comment(clients.map(({ name }, n) => `${name}: ${ended[n]?.rounds} rounds`).join(', '));
    t.ok(
      ended.every(({ rounds }) => rounds > 0),
      'every client got something done',
    );

    const lockdep = await shell(`cat ${sys}/kernel/debug/ap_sim/lockdep`);
    t.notMatch(lockdep.stdout, /VIOLATION/);
    t.match(lockdep.stdout, /guests_lock -> mdevs_lock/, 'the checker has seen the locks');

    const back = await shell(at(sys, BACK_TO_BASE), 30);
    t.equal(back.stderr, '');
    const after = await shell(at(sys, DUMP), 30);
    t.same(after.stdout.split('\n'), before.stdout.split('\n'), 'the tree is as it was');
    t.equal(daemon.stderr, '');
  },
);
