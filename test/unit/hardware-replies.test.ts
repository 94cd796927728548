/**
 * When replies come, in which order, and in how many parts.
 */
import t from 'tap';
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { SimClock } from '../../lib/clock.js';
import { concat } from '../../lib/hardware/bytes.js';
import { type ApInstructions, mkQid, RC } from '../../lib/hardware/instructions.js';
import { Machine } from '../../lib/hardware/machine.js';
import {
  AGENT_CCA,
  encodeCprbx,
  encodeEp11Cprb,
  encodeFunction,
  encodeRsaParameters,
  encodeType6,
  encodeType50,
  encodeXcpQuery,
  RANDOM_PARAMETERS,
  RNG_BLOCK,
  type RsaCrt,
  type RsaModExpo,
} from '../../lib/hardware/messages.js';
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
import { MSEC, type Ports, USEC } from '../../lib/ports.js';

const ROOM = 12_288;

interface Setup {
  readonly ap: ApInstructions;
  readonly clock: SimClock;
  hw(command: string): string;
}

function setup(hardware: string): Setup {
  const clock = new SimClock(standingClock, 'manual');
  const ports: Ports = {
    clock,
    random: { bytes: (n) => new Uint8Array(n).fill(0x5a), below: () => 0 },
    crypto: { modExp: (_b, _e, modulus) => new Uint8Array(modulus.length) },
    trace: { enabled: false, emit: () => undefined },
  };
  const machine = new Machine(ports);
  const hw = (command: string): string => runHardwareCommand(machine, command);
  hw(hardware);
  return { ap: machine.hostInstructions(), clock, hw };
}

const operand = (length: number): Uint8Array => new Uint8Array(length).fill(0x11);
const modulus = (length: number): Uint8Array => new Uint8Array(length).fill(0xc1);
const me = (length: number): RsaModExpo => ({
  kind: 'me',
  exponent: operand(length),
  modulus: modulus(length),
  input: operand(length),
});
const crt = (length: number): RsaCrt => {
  const half = modulus(length / 2);
  return { kind: 'crt', p: half, q: half, dp: half, dq: half, u: half, input: operand(length) };
};

function ccaMessage(parameters: Uint8Array, functionCode: string): Uint8Array {
  const cprb = encodeCprbx({ reqParml: parameters.length, domain: 4 });
  const header = { agentId: AGENT_CCA, functionCode, fromCardLength1: 4096, fromCardLength2: RNG_BLOCK };
  return encodeType6(header, concat(cprb, parameters));
}

const CARDS = 'card 0 add cex8 cca; card 1 add cex8 ep11; card 2 add cex8 accel; card 3 add cex4 accel';
const DOMAINS = 'domain 4 add; domain 6 add';
const Q = { cca: mkQid(0, 4), ep11: mkQid(1, 4), accel: mkQid(2, 4), accel6: mkQid(2, 6), old: mkQid(3, 4) };

t.test('replies leave a queue in the order of the requests, whatever the delay was', async (t) => {
  const { ap, clock, hw } = setup(`${CARDS}; ${DOMAINS}`);
  hw('delay 300');
  ap.nqap(Q.accel, 1n, encodeType50(me(128)), false);
  hw('delay 100');
  ap.nqap(Q.accel, 2n, encodeType50(me(128)), false);
  await clock.advance(200 * USEC);
  t.equal(ap.dqap(Q.accel, ROOM).status.responseCode, RC.NO_PENDING_REPLY, 'the second does not overtake');
  await clock.advance(100 * USEC);
  t.same([ap.dqap(Q.accel, ROOM).psmid, ap.dqap(Q.accel, ROOM).psmid], [1n, 2n]);
});

t.test('a reply longer than the buffer leaves in parts', async (t) => {
  const { ap, clock, hw } = setup(`${CARDS}; ${DOMAINS}; queue 02.0004 reply long 25000 2`);
  ap.nqap(Q.accel, 7n, encodeType50(me(128)), false);
  ap.nqap(Q.accel, 8n, encodeType50(me(128)), false);
  t.equal(ap.dqap(Q.accel, ROOM, true).status.responseCode, RC.NO_FIRST_PART, 'there is none to go on with');
  await clock.advance(MSEC);
  const parts = [ap.dqap(Q.accel, ROOM)];
  while ((parts.at(-1)?.residual ?? 0) > 0) parts.push(ap.dqap(Q.accel, ROOM, true));
  t.same(
    parts.map(({ psmid, bytes, residual }) => [psmid, bytes.length, residual]),
    [
      [7n, ROOM, 25_000 - ROOM],
      [7n, ROOM, 25_000 - 2 * ROOM],
      [7n, 25_000 - 2 * ROOM, 0],
    ],
  );
  t.match(parts[2]?.status, { responseCode: 0, queueEmpty: false, repliesWaiting: true });
  t.equal(ap.dqap(Q.accel, ROOM).residual, 25_000 - ROOM);
  t.equal(ap.dqap(Q.accel, ROOM).residual, 25_000 - ROOM, 'without a resumption it begins anew');
  hw('queue 02.0004 drop');
  t.equal(ap.dqap(Q.accel, ROOM, true).status.responseCode, RC.NO_FIRST_PART, 'and is forgotten with the queue');
  t.match(ap.dqap(Q.accel, ROOM), { psmid: 0n, residual: 0, status: { responseCode: RC.NO_PENDING_REPLY } });
});

t.test('by speed, a card takes the time of its kind for each kind of request (spec/zcrypt.md 2)', async (t) => {
  const query = encodeEp11Cprb({ funcId: 'T4' }, encodeXcpQuery(1));
  const rows: readonly (readonly [string, number, Uint8Array, number])[] = [
    ['RSA 1024 on CEX8A', Q.accel, encodeType50(me(128)), 6],
    ['RSA 2048 on CEX8A', Q.accel, encodeType50(me(256)), 8],
    ['RSA 4096 on CEX8A', Q.accel, encodeType50(me(512)), 17],
    ['CRT 1024 on CEX8A', Q.accel, encodeType50(crt(128)), 15],
    ['CRT 2048 on CEX8A', Q.accel, encodeType50(crt(256)), 54],
    ['CRT 4096 on CEX8A', Q.accel, encodeType50(crt(512)), 362],
    ['CRT 4096 on CEX4A', Q.old, encodeType50(crt(512)), 1458],
    ['RSA 2048 on CEX8C', Q.cca, ccaMessage(concat(...encodeRsaParameters(me(256))), 'PK'), 16],
    ['CRT 2048 on CEX8C', Q.cca, ccaMessage(concat(...encodeRsaParameters(crt(256))), 'PD'), 64],
    ['random block on CEX8C', Q.cca, ccaMessage(RANDOM_PARAMETERS, 'RL'), 23],
    ['facility query on CEX8C', Q.cca, ccaMessage(encodeFunction('FQ', ['STATICSA']), 'FQ'), 10 * 8],
    ['key generation on CEX8C', Q.cca, ccaMessage(encodeFunction('KG', []), 'KG'), 500 * 8],
    ['module query on CEX8P', Q.ep11, encodeType6({}, query), 10 * 8],
    ['nonsense on CEX8A', Q.accel, new Uint8Array(20), 6],
  ];
  for (const [name, qid, message, micros] of rows) {
    const { ap, clock, hw } = setup(`${CARDS}; ${DOMAINS}; delay by-speed`);
    t.match(hw('show'), / delay by-speed /);
    t.equal(ap.nqap(qid, 1n, message, false).responseCode, 0);
    await clock.advance(micros * USEC - 1);
    t.equal(ap.dqap(qid, ROOM).status.responseCode, RC.NO_PENDING_REPLY, `${name}: not before ${micros} us`);
    await clock.advance(1);
    t.equal(ap.dqap(qid, ROOM).psmid, 1n, `${name}: after ${micros} us`);
  }
});

t.test('by speed, a card works on one request after the other, from whichever queue', async (t) => {
  const { ap, clock, hw } = setup(`${CARDS}; ${DOMAINS}; delay by-speed`);
  const request = encodeType50(crt(512));
  for (const n of [1n, 2n]) ap.nqap(Q.accel, n, request, false);
  ap.nqap(Q.accel6, 3n, request, false);
  ap.nqap(Q.old, 4n, request, false);
  const waiting = (qid: number): boolean => ap.tapq(qid).status.repliesWaiting;
  await clock.advance(2 * 362 * USEC);
  t.same([waiting(Q.accel), waiting(Q.accel6), waiting(Q.old)], [true, false, false]);
  await clock.advance(362 * USEC);
  t.ok(waiting(Q.accel6), 'third of its card');
  await clock.advance((1458 - 3 * 362) * USEC);
  t.ok(waiting(Q.old), 'another card does not wait for it');

  hw('queue 02.0006 hold');
  ap.dqap(Q.accel6, ROOM);
  ap.nqap(Q.accel6, 5n, request, false);
  await clock.advance(MSEC);
  hw('queue 02.0006 release');
  await clock.advance(361 * USEC);
  t.notOk(waiting(Q.accel6), 'a held request is begun when it is released');
  await clock.advance(USEC);
  t.ok(waiting(Q.accel6));

  ap.nqap(Q.accel, 6n, request, false);
  hw('card 2 deconfigure; card 2 configure');
  ap.nqap(Q.accel, 7n, request, false);
  await clock.advance(362 * USEC);
  t.equal(ap.dqap(Q.accel, ROOM).psmid, 7n, 'a card that was off has nothing left to do');
});
