/**
 * The machine below the drivers: what its instructions answer, by behaviour.
 * Values are those of traces/README.md and of the recorded dumps.
 */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import { concat, fromBigInt, text, toBigInt } from '../../lib/hardware/bytes.js';
import { type HostInstructions, mkQid, RC } from '../../lib/hardware/instructions.js';
import { Machine, type MachineOptions } from '../../lib/hardware/machine.js';
import {
  AGENT_CCA,
  CPRBX_LENGTH,
  decodeCprbx,
  decodeDomainInfo,
  decodeEp11Cprb,
  decodeFacilityReply,
  decodeFunction,
  decodeModuleInfo,
  decodeType80,
  decodeType86,
  decodeXcpReply,
  EP11_QUERY,
  encodeCprbx,
  encodeEp11Cprb,
  encodeFacilityQuery,
  encodeFunction,
  encodeRsaParameters,
  encodeType6,
  encodeType50,
  encodeXcpQuery,
  MASTER_KEY_PLACES,
  RANDOM_PARAMETERS,
  RNG_BLOCK,
  type RsaCrt,
  type RsaModExpo,
  readLengthBlock,
} from '../../lib/hardware/messages.js';
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
import { type Clock, MSEC, type Ports, type Timer, type TraceEvent, USEC } from '../../lib/ports.js';

class FakeClock implements Clock {
  #now = 0;
  timers: (Timer & { fire: () => void; pending: boolean })[] = [];
  now(): number {
    return this.#now;
  }
  after(delay: number, fire: () => void): Timer {
    const timer = {
      expires: this.#now + delay,
      pending: true,
      fire,
      cancel: () => {
        const was = timer.pending;
        timer.pending = false;
        return was;
      },
    };
    this.timers.push(timer);
    return timer;
  }
  advance(delay: number): void {
    const end = this.#now + delay;
    for (;;) {
      this.timers = this.timers.filter((timer) => timer.pending);
      const next = this.timers.sort((a, b) => a.expires - b.expires)[0];
      if (!next || next.expires > end) break;
      this.#now = next.expires;
      next.pending = false;
      next.fire();
    }
    this.#now = end;
  }
}

const DEFAULT_HARDWARE =
  'card 0 add cex8 cca; card 1 add cex8 ep11; card 2 add cex7 accel; card 3 add cex6 cca;' +
  'domain 0x04 add; domain 0x06 add; domain 0x1b add; domain 0x47 add;' +
  'cdomain 0x04 add; cdomain 0x06 add; cdomain 0x1b add; cdomain 0x47 add; cdomain 0x55 add; cdomain 0xab add';

interface Setup {
  machine: Machine;
  ap: HostInstructions;
  clock: FakeClock;
  traced: TraceEvent[];
  hw(command: string): string;
  /** Sends a request and returns its reply after the processing delay. */
  ask(qid: number, message: Uint8Array): Uint8Array;
}

function setup(options: MachineOptions = {}, hardware = DEFAULT_HARDWARE): Setup {
  const clock = new FakeClock();
  const traced: TraceEvent[] = [];
  const power = (b: bigint, e: bigint, m: bigint): bigint => {
    let result = 1n;
    for (b %= m; e > 0n; e >>= 1n, b = (b * b) % m) if (e & 1n) result = (result * b) % m;
    return result;
  };
  const ports: Ports = {
    clock,
    random: { bytes: (n) => new Uint8Array(n).fill(0x5a), below: () => 0 },
    crypto: {
      modExp: (b, e, m) => fromBigInt(power(toBigInt(b), toBigInt(e), toBigInt(m)), m.length),
    },
    trace: { enabled: true, emit: (event) => traced.push(event) },
  };
  const machine = new Machine(ports, options);
  runHardwareCommand(machine, hardware);
  const ap = machine.hostInstructions();
  return {
    machine,
    ap,
    clock,
    traced,
    hw: (command) => runHardwareCommand(machine, command),
    ask(qid, message) {
      const status = ap.nqap(qid, 7n, message, false);
      if (status.responseCode !== 0) throw new Error(`NQAP ${status.responseCode}`);
      clock.advance(200 * USEC);
      const result = ap.dqap(qid, 12288);
      if (result.status.responseCode !== 0) throw new Error(`DQAP ${result.status.responseCode}`);
      return result.bytes;
    },
  };
}

const Q = { cca: mkQid(0, 4), ep11: mkQid(1, 4), accel: mkQid(2, 4) };
const rc = (status: { responseCode: number }): number => status.responseCode;
const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

const ccaRequest = (parameters: Uint8Array, functionCode: string, room2 = 0): Uint8Array => {
  const cprb = encodeCprbx({ reqParml: parameters.length, domain: 4 });
  const control = Buffer.concat([cprb, parameters]);
  return encodeType6({ agentId: AGENT_CCA, functionCode, fromCardLength1: 4096, fromCardLength2: room2 }, control);
};

/** A real 1024-bit key as both kinds of operation on the same input. */
function rsaPair(): { me: RsaModExpo; crt: RsaCrt; publicMe: RsaModExpo } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const jwk = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })).export({
    format: 'jwk',
  });
  const field = (name: 'n' | 'e' | 'd' | 'p' | 'q' | 'dp' | 'dq' | 'qi'): Uint8Array =>
    Uint8Array.from(Buffer.from(jwk[name]!, 'base64url'));
  const input = new Uint8Array(128).fill(0x42);
  input[0] = 0;
  return {
    me: { kind: 'me', exponent: field('d'), modulus: field('n'), input },
    publicMe: { kind: 'me', exponent: field('e'), modulus: field('n'), input },
    crt: {
      kind: 'crt',
      p: field('p'),
      q: field('q'),
      dp: field('dp'),
      dq: field('dq'),
      u: field('qi'),
      input,
    },
  };
}

t.test('configuration and TAPQ show the recorded default machine', async (t) => {
  const { ap } = setup();
  const info = ap.qci()!;
  t.equal(info.flags, 0xf0800000);
  t.equal(hex(info.apm), `f0${'0'.repeat(62)}`);
  t.equal(hex(info.aqm), '0a00001000000000010000000000000000000000000000000000000000000000');
  t.equal(hex(info.adm), '0a00001000000000010004000000000000000000001000000000000000000000');
  t.match(ap.tapq(Q.cca), {
    status: { responseCode: 0, queueEmpty: true },
    info: { fac: 0x92800000, at: 14, qd: 7 },
  });
  t.equal(ap.tapq(Q.accel).info.fac, 0x6a800000);
  t.equal(rc(ap.tapq(mkQid(0, 5)).status), RC.Q_NOT_AVAIL, 'no such domain');
  t.equal(rc(ap.tapq(mkQid(9, 4)).status), RC.Q_NOT_AVAIL, 'no such card');
  t.equal(ap.qact(Q.cca, 14, 0).apType, 14);
});

t.test('without QCI the facility is missing and queues still answer', async (t) => {
  const { ap } = setup({}, `${DEFAULT_HARDWARE}; qci off`);
  t.notOk(ap.hasFacility(12));
  t.equal(ap.qci(), undefined);
  t.equal(rc(ap.tapq(Q.cca).status), 0);
});

t.test('requests take 200 us, then raise an interrupt where enabled', async (t) => {
  const { ap, clock } = setup();
  let interrupts = 0;
  ap.onAdapterInterrupt(() => interrupts++);
  const request = encodeType50(rsaPair().publicMe);
  t.equal(rc(ap.aqic(Q.accel, { ir: true, isc: 6 }, 1)), 0);
  t.equal(rc(ap.aqic(Q.accel, { ir: true, isc: 6 }, 1)), RC.OTHERWISE_CHANGED);
  ap.nqap(Q.accel, 1n, request, false);
  t.match(ap.nqap(Q.accel, 2n, request, false), {
    responseCode: 0,
    queueEmpty: false,
    irqEnabled: true,
  });
  t.equal(clock.timers.filter((timer) => timer.pending).length, 1, 'one timer a queue');
  t.equal(rc(ap.dqap(Q.accel, 12288).status), RC.NO_PENDING_REPLY);
  clock.advance(200 * USEC);
  t.equal(interrupts, 1);
  t.match(ap.dqap(Q.accel, 12288), {
    psmid: 1n,
    residual: 0,
    status: { responseCode: 0, repliesWaiting: true },
  });
  t.match(ap.dqap(Q.accel, 12288), { psmid: 2n, status: { responseCode: 0, queueEmpty: true } });
});

t.test('a queue of 8 is full with 8, too long messages are refused', async (t) => {
  const { ap, hw, clock } = setup();
  hw('resets; queue 02.0004 hold');
  const request = encodeType50(rsaPair().publicMe);
  for (let n = 0; n < 8; n++) t.equal(rc(ap.nqap(Q.accel, BigInt(n), request, false)), 0);
  t.match(ap.nqap(Q.accel, 8n, request, false), { responseCode: RC.Q_FULL, queueFull: true });
  clock.advance(MSEC);
  t.equal(
    hw('queue 02.0004 status'),
    'queue 02.0004 req 8 rep 0 hold 1 irq 0 reset-left 0 busy 0 bs 0 answered 0 nqap=9\n',
  );
  hw('queue 02.0004 release');
  clock.advance(200 * USEC);
  t.match(hw('queue 02.0004 status'), /req 0 rep 8 hold 0 .* answered 8/);
  t.equal(rc(ap.nqap(Q.cca, 1n, new Uint8Array(12289), false)), RC.MESSAGE_TOO_BIG);
  hw('card 0 type cex8 cca ml=6');
  t.equal(rc(ap.nqap(Q.cca, 1n, new Uint8Array(24576), false)), 0);
});

t.test('resets empty the queue, disable interrupts and take the time that was set', async (t) => {
  const { ap, hw, clock } = setup();
  ap.aqic(Q.accel, { ir: true, isc: 6 }, 1);
  ap.nqap(Q.accel, 1n, encodeType50(rsaPair().publicMe), false);
  t.match(ap.rapq(Q.accel), { responseCode: 0, queueEmpty: true, irqEnabled: false });
  t.equal(rc(ap.tapq(Q.accel).status), 0, 'no time by default');
  t.same(
    clock.timers.filter((timer) => timer.pending),
    [],
    'and no timer',
  );
  hw('resets; queue 02.0004 reset-ms 300');
  t.equal(rc(ap.zapq(Q.accel)), 0);
  t.equal(rc(ap.tapq(Q.accel).status), RC.RESET_IN_PROGRESS);
  t.equal(rc(ap.zapq(Q.accel)), RC.RESET_IN_PROGRESS);
  clock.advance(300 * MSEC);
  t.equal(rc(ap.tapq(Q.accel).status), 0);
  hw('queue 02.0004 reset-ms 0; queue 02.0004 reset-polls 2');
  ap.rapq(Q.accel);
  t.same(
    [1, 2, 3].map(() => rc(ap.tapq(Q.accel).status)),
    [2, 2, 0],
  );
  t.equal(hw('resets'), '02.0004 rapq=1 zapq=2\n');
  t.equal(hw('resets'), '');
});

t.test('busy N and inject answer so many instructions, 01 03 04 as the machine is', async (t) => {
  const { ap, hw } = setup();
  hw('queue 00.0004 busy 3');
  t.same([ap.zapq(Q.cca), ap.tapq(Q.cca).status, ap.tapq(Q.cca).status, ap.tapq(Q.cca).status].map(rc), [5, 5, 5, 0]);
  hw('queue 00.0004 inject tapq 0x36 2');
  t.same(
    [ap.zapq(Q.cca), ap.tapq(Q.cca).status, ap.tapq(Q.cca).status, ap.tapq(Q.cca).status].map(rc),
    [0, 0x36, 0x36, 0],
  );
  hw('card 0 deconfigure');
  t.match(ap.tapq(Q.cca), { status: { responseCode: 3 }, info: { fac: 0x92800000 } });
  hw('card 0 checkstop on');
  t.equal(rc(ap.nqap(Q.cca, 1n, new Uint8Array(8), false)), 3);
  hw('card 0 configure');
  t.equal(rc(ap.dqap(Q.cca, 12288).status), 4);
  hw('card 0 checkstop off; card 0 present off');
  t.ok(ap.qci()!.apm[0]! & 0x80, 'still listed');
  t.equal(rc(ap.tapq(Q.cca).status), 1);
  hw('card 0 present on; queue 00.0004 async 0x36');
  t.match(ap.tapq(Q.cca).status, { async: true, responseCode: 0x36 });
  t.equal(rc(ap.rapq(Q.cca)), 0, 'a reset clears it');
  t.match(ap.tapq(Q.cca).status, { async: false, responseCode: 0 });
});

t.test('deconfigured and check-stopped cards lose contents and interrupts', async (t) => {
  const { ap, hw, clock } = setup();
  for (const [off, on] of [
    ['deconfigure', 'configure'],
    ['checkstop on', 'checkstop off'],
  ] as const) {
    ap.aqic(Q.accel, { ir: true, isc: 6 }, 1);
    ap.nqap(Q.accel, 1n, encodeType50(rsaPair().publicMe), false);
    hw(`card 2 ${off}; card 2 ${on}`);
    t.match(ap.tapq(Q.accel).status, { responseCode: 0, queueEmpty: true, irqEnabled: false });
    clock.advance(MSEC);
    t.equal(rc(ap.dqap(Q.accel, 12288).status), RC.NO_PENDING_REPLY);
  }
});

t.test('one event for each command that changes cards, domains or configuration', async (t) => {
  const { ap, hw } = setup();
  let events = 0;
  ap.onConfigChanged(() => events++);
  const raised = (command: string): number => {
    const before = events;
    hw(command);
    return events - before;
  };
  t.equal(raised('card 4 add cex8 accel; card 4 deconfigure; domain 5 add; cdomain 5 add'), 4);
  t.equal(raised('card 4 deconfigure; domain 5 add'), 0, 'nothing new');
  t.equal(raised('card 4 checkstop on; queue 00.0004 hold; delay 5'), 0);
  t.equal(raised('card 11 apm on; card 0 present off'), 2);
  t.same(await ap.sclpConfigureAp(3, false), {
    supported: true,
    response: 0x0020,
    command: 0x001e0301,
  });
  t.same(await ap.sclpConfigureAp(3, false), {
    supported: true,
    response: 0x0120,
    command: 0x001e0301,
  });
  t.match(await ap.sclpConfigureAp(9, true), { response: 0x09f0, command: 0x001f0901 });
  hw('card 3 sclp-rc 0x0440');
  t.match(await ap.sclpConfigureAp(3, true), { response: 0x0440 });
  t.equal(rc(ap.tapq(mkQid(3, 4)).status), 3, 'forced answer: nothing was done');
  t.equal(raised('notify off; card 4 remove'), 0, 'SCLP and notify off raise none');
  t.equal(raised('notify now'), 1);
});

t.test('wrong commands are EINVAL and change nothing', async (t) => {
  const { hw, machine } = setup();
  for (const wrong of [
    'card',
    'card 300 add cex8 cca',
    'card 4 add cex8',
    'card 4 add cex10 cca',
    'card 4 add cex8 cca depht=8',
    'card 9 configure',
    'queue 0.4',
    'queue 09.0004 hold',
    'queue 00.0104 hold',
    'queue 00.0004 inject foo 1',
    'domain 5',
    'domain 5 add x',
    'reply',
    'card 0x1g remove',
    'queue 00.0004 bs 4',
    'domain 5 add; frob',
    'toString',
  ]) {
    t.throws(() => hw(wrong), { name: 'KernelError', errno: 'EINVAL' }, wrong);
  }
  t.notOk(machine.usageDomains.has(5), 'a text with an unknown command does nothing at all');
  t.notOk(machine.adapters.has(4));
});

t.test('CCA facility query: serial number and master key patterns as recorded', async (t) => {
  const { ask } = setup();
  const query = (qid: number, keyword: 'STATICSA' | 'STATICSB') => {
    const reply = decodeType86(ask(qid, ccaRequest(encodeFacilityQuery(keyword), 'FQ')))!;
    const cprb = decodeCprbx(reply.control)!;
    t.match(cprb, { returnCode: 0, reasonCode: 0 });
    return decodeFacilityReply(reply.control.subarray(CPRBX_LENGTH))!;
  };
  const a = query(Q.cca, 'STATICSA');
  t.equal(text(a.rules.subarray(0, 8)), '93AADF00');
  const { ASYM, AES, APKA } = MASTER_KEY_PLACES;
  t.same(
    [7, 8, 9].map((n) => text(a.rules.subarray(n * 8, n * 8 + 1))),
    ['1', '2', '1'],
  );
  t.equal(hex(a.data.subarray(AES.data.cur, AES.data.cur + 8)), 'd5aba4b6691ae681');
  t.equal(hex(a.data.subarray(ASYM.data.cur, ASYM.data.cur + 16)), '3990d471fafc4d0d40d51af61a6d5ad8');
  const b = query(mkQid(3, 0x47), 'STATICSB');
  t.equal(hex(b.data.subarray(APKA.data.cur, APKA.data.cur + 8)), '3e90aa44e3748c02');
});

t.test('CCA random numbers; unknown functions get 8/33; injected service codes', async (t) => {
  const { ask, hw } = setup();
  const random = decodeType86(ask(Q.cca, ccaRequest(RANDOM_PARAMETERS, 'RL', RNG_BLOCK)))!;
  t.equal(random.count2, RNG_BLOCK);
  t.ok(random.data.every((byte) => byte === 0x5a));
  const codes = () => {
    const reply = decodeType86(ask(Q.cca, ccaRequest(encodeFunction('KG', []), 'KG')))!;
    const cprb = decodeCprbx(reply.control)!;
    return [cprb.returnCode, cprb.reasonCode];
  };
  t.same(codes(), [8, 33]);
  hw('queue 00.0004 reply cca 12 769');
  t.same(codes(), [12, 769]);
  t.same(codes(), [8, 33], 'once');
});

t.test('EP11 module and domain info as recorded; anything else 0x000c0001', async (t) => {
  const { ask } = setup();
  const query = (type: number) => {
    const control = encodeEp11Cprb({}, encodeXcpQuery(type));
    const cprb = decodeEp11Cprb(decodeType86(ask(Q.ep11, encodeType6({}, control)))!.control)!;
    return { ...decodeXcpReply(cprb.payload)!, cprb };
  };
  t.same(decodeModuleInfo(query(EP11_QUERY.MODULE).data), {
    apiOrdinal: 6,
    firmwareMajor: 8,
    firmwareMinor: 8,
    serial: '93AADF0119460083',
    opModes: 0x85n,
  });
  const domain = decodeDomainInfo(query(EP11_QUERY.DOMAIN).data);
  t.equal(domain.flags, 0x12);
  t.equal(hex(domain.currentWkvp), '505a2ff763e2bd0212108a847fae0ada1aa71209f7d7a6c8306b569b2e2b3eec');
  t.match(query(9), { returnCode: 0x000c0001, cprb: { returnCode: 0x000c0001 } });
});

t.test('RSA: mod-expo and CRT give the same on accelerator and CCA', async (t) => {
  const { ask } = setup();
  const { me, crt, publicMe } = rsaPair();
  const expected = decodeType80(ask(Q.accel, encodeType50(me)))!.result;
  t.equal(expected.length, 128);
  t.same(decodeType80(ask(Q.accel, encodeType50(crt)))!.result, expected);
  t.same(decodeType80(ask(Q.accel, encodeType50({ ...publicMe, input: expected })))!.result, me.input);
  for (const operation of [me, crt]) {
    const reply = decodeType86(ask(Q.cca, ccaRequest(concat(...encodeRsaParameters(operation)), 'PK')))!;
    const call = decodeFunction(reply.control.subarray(CPRBX_LENGTH))!;
    t.same(readLengthBlock(call.rest)!.content, expected);
  }
  const even = { ...me, modulus: me.modulus.slice() };
  even.modulus[127]! &= 0xfe;
  t.match(ask(Q.accel, encodeType50(even)), { 1: 0x82, 4: 0x85 });
  t.same(
    [me, crt].map((op) => encodeType50(op).length),
    [400, 464],
  );
});

t.test('reply faults: error headers, empty type 80, good answer with a code, lost', async (t) => {
  const { ask, hw, ap, clock } = setup();
  const request = encodeType50(rsaPair().publicMe);
  hw('queue 02.0004 reply 0x82 0x90 2');
  t.same([...ask(Q.accel, request)], [0, 0x82, 0, 0, 0x90, 0, 0, 0]);
  ask(Q.accel, request);
  t.ok(decodeType80(ask(Q.accel, request)), 'good again');
  hw('queue 02.0004 reply 0x80 0x12');
  t.match(decodeType80(ask(Q.accel, request)), { length: 16, code: 0x12 });
  hw('queue 00.0004 reply 0x86 5 -1');
  t.equal(decodeType86(ask(Q.cca, ccaRequest(encodeFacilityQuery('STATICSA'), 'FQ')))!.replyCode, 5);
  hw('queue 02.0004 reply lost');
  ap.nqap(Q.accel, 1n, request, false);
  t.equal(ap.tapq(Q.accel).status.queueEmpty, false, 'there while it would be worked on');
  clock.advance(200 * USEC);
  t.match(ap.tapq(Q.accel).status, { queueEmpty: true, repliesWaiting: false });
});

t.test('secure execution: binding, association, what resets leave of them', async (t) => {
  const { ap, hw } = setup({ protVirtGuest: true });
  t.equal(ap.tapq(Q.cca).info.fac, 0x9280c000, 'CCA is unusable');
  t.equal(ap.tapq(Q.ep11).info.fac, 0x06808000);
  t.equal(rc(ap.bapq(Q.ep11)), 0);
  t.equal(ap.tapq(Q.ep11).info.fac, 0x06804000);
  hw('assoc-polls 2');
  ap.aapq(Q.ep11, 5);
  t.same(
    [1, 2].map(() => ap.tapq(Q.ep11).info.bs),
    [1, 0],
  );
  ap.rapq(Q.ep11);
  t.equal(ap.tapq(Q.ep11).info.bs, 1, 'a plain reset drops the association only');
  ap.rapq(Q.ep11, true);
  t.equal(ap.tapq(Q.ep11).info.bs, 2, 'with the F bit also the binding');
  ap.bapq(Q.accel);
  t.equal(ap.tapq(Q.accel).info.bs, 0, 'accelerators need no secret');
  hw('card 2 deconfigure');
  t.equal(ap.tapq(Q.accel).info.bs, 2);
});

t.test('a full machine is cheap and describes itself briefly', async (t) => {
  const all = Array.from({ length: 256 }, (_, n) => `card ${n} add cex8 cca; domain ${n} add`).join(';');
  const { ap, hw, traced } = setup({}, all);
  hw('trace off');
  for (let qid = 0; qid < 65536; qid++) if (rc(ap.tapq(qid).status) !== 0) t.fail(`queue ${qid}`);
  t.equal(traced.length, 0);
  hw('trace on; queue ff.00ff busy 1');
  ap.tapq(0xffff);
  t.match(traced, [{ kind: 'ap.instr', text: 'TAPQ ff.00ff -> 05 empty' }]);
  hw('queue ff.00ff hold');
  const lines = hw('show').split('\n');
  t.equal(lines.filter((line) => line.startsWith('card ')).length, 256);
  t.equal(lines.filter((line) => line.startsWith('queue ')).length, 1);
});
