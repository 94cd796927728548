/**
 * RSA results against arithmetic that is not ours: OpenSSL (node:crypto) with
 * whole keys, Python's integers for the sizes that OpenSSL does not take.
 *
 * 100 keys of each size, new ones in every run: any two of 15 primes are a key.
 */
import { spawnSync } from 'node:child_process';
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generatePrimeSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import t from 'tap';
import { standingClock } from '../../fs-tree/host/clock-host.js';
import { hostCrypto } from '../../fs-tree/host/crypto.js';
import { SeededRandom } from '../../fs-tree/host/random.js';
import { SimClock } from '../../lib/clock.js';
import { fromBigInt, toBigInt } from '../../lib/hardware/bytes.js';
import { Task } from '../../lib/sync/task.js';
import { createWorld } from '../../lib/world.js';
import type { ZcryptFile } from '../../lib/zcrypt/file.js';
import { inverse } from '../stress/numbers.js';

const KEYS = 100;
const POOL = 15;
const E = 65_537n;

/** An open node of a machine with one accelerator or one CCA card. */
async function node(mode: 'accel' | 'cca'): Promise<{ file: ZcryptFile; task: Task }> {
  const clock = new SimClock(standingClock, 'auto');
  const trace = { enabled: false, emit: () => undefined };
  const hardware = `card 1 add cex8 ${mode}; domain 3 add`;
  const world = await createWorld({ clock, random: new SeededRandom(1), crypto: hostCrypto, trace }, { hardware });
  const { zcrypt, profile } = world.kernel;
  const task = new Task({ pid: 77, comm: 'rsa' });
  return { task, file: await zcrypt.open(task, { major: 10, minor: profile.z90cryptMinor }) };
}

const nodes = { accel: await node('accel'), cca: await node('cca') };
type Mode = keyof typeof nodes;

async function modexpo(mode: Mode, length: number, base: bigint, exponent: bigint, modulus: bigint): Promise<bigint> {
  const outputdata = new Uint8Array(length);
  const [inputdata, bKey, nModulus] = [base, exponent, modulus].map((n) => fromBigInt(n, length));
  const { file, task } = nodes[mode];
  const lengths = { inputdatalength: length, outputdatalength: length };
  await file.modexpo(task, { inputdata, outputdata, bKey, nModulus, ...lengths });
  return toBigInt(outputdata);
}

interface CrtKey {
  readonly p: bigint;
  readonly q: bigint;
  readonly dp: bigint;
  readonly dq: bigint;
}

/** p, dp and u have 8 bytes more than half the length, q and dq half of it. */
async function crt(mode: Mode, length: number, base: bigint, { p, q, dp, dq }: CrtKey): Promise<bigint> {
  const short = (length + 1) >> 1;
  const outputdata = new Uint8Array(length);
  const { file, task } = nodes[mode];
  await file.modexpoCrt(task, {
    inputdata: fromBigInt(base, length),
    inputdatalength: length,
    outputdata,
    outputdatalength: length,
    bpKey: fromBigInt(dp, short + 8),
    bqKey: fromBigInt(dq, short),
    npPrime: fromBigInt(p, short + 8),
    nqPrime: fromBigInt(q, short),
    uMultInv: fromBigInt(inverse(q, p), short + 8),
  });
  return toBigInt(outputdata);
}

interface Key extends CrtKey {
  readonly n: bigint;
  readonly d: bigint;
  readonly secret: KeyObject;
}

/** Primes whose product has exactly so many bits, both with the two highest bits set. */
function primes(bits: number): bigint[] {
  const add = 2n ** BigInt(bits / 2);
  const list = new Set<bigint>();
  while (list.size < POOL) {
    const prime = generatePrimeSync(bits / 2, { bigint: true });
    // OpenSSL sets both highest bits; E must be invertible.
    if (prime < add && (prime - 1n) % E !== 0n) list.add(prime);
  }
  return [...list];
}

function* keys(bits: number): Generator<Key> {
  const pool = primes(bits);
  for (const [i, a] of pool.entries())
    for (const b of pool.slice(0, i)) {
      const [p, q] = a > b ? [a, b] : [b, a];
      const n = p * q;
      const d = inverse(E, (p - 1n) * (q - 1n));
      const [dp, dq] = [d % (p - 1n), d % (q - 1n)];
      const text = (value: bigint): string => {
        const hex = value.toString(16);
        return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
      };
      const parts = Object.entries({ n, e: E, d, p, q, dp, dq, qi: inverse(q, p) }).map(([k, v]) => [k, text(v)]);
      const jwk = { kty: 'RSA', ...Object.fromEntries(parts) };
      yield { n, d, p, q, dp, dq, secret: createPrivateKey({ key: jwk, format: 'jwk' }) };
    }
}

const padding = constants.RSA_NO_PADDING;

for (const bits of [1024, 2048, 4096])
  t.test(`${KEYS} keys of ${bits} bits: both cards and both forms give what OpenSSL gives`, async (t) => {
    const length = bits / 8;
    const wrong: string[] = [];
    let tried = 0;
    for (const key of keys(bits)) {
      if (tried++ === KEYS) break;
      const message = toBigInt(randomBytes(length)) % key.n;
      const buffer = Buffer.from(fromBigInt(message, length));
      const signed = toBigInt(privateDecrypt({ key: key.secret, padding }, buffer));
      const encrypted = toBigInt(publicEncrypt({ key: createPublicKey(key.secret), padding }, buffer));
      const expect = (what: string, got: bigint, right: bigint): void => {
        if (got !== right) wrong.push(`${what} p=${key.p} q=${key.q} message=${message}`);
      };
      // The long private exponent on each card in turn, the public one on the other.
      const [one, other]: [Mode, Mode] = tried % 2 === 0 ? ['accel', 'cca'] : ['cca', 'accel'];
      // It takes a tenth of a second with 4096 bits: every fourth key will do.
      if (bits < 4096 || tried % 8 < 2)
        expect(`${one} private`, await modexpo(one, length, message, key.d, key.n), signed);
      expect(`${other} public`, await modexpo(other, length, message, E, key.n), encrypted);
      expect(`${one} CRT`, await crt(one, length, message, key), signed);
      expect(`${other} CRT`, await crt(other, length, message, key), signed);
    }
    t.equal(tried - 1, KEYS);
    t.same(wrong, []);
  });

/** One number a line: base, exponent, modulus. Answers likewise. */
function python(questions: readonly (readonly [bigint, bigint, bigint])[]): bigint[] {
  const program = 'import sys\nfor l in sys.stdin:\n b,e,m=(int(x,16) for x in l.split())\n print("%x" % pow(b,e,m))';
  const input = questions.map((numbers) => numbers.map((n) => n.toString(16)).join(' ')).join('\n');
  const { stdout, status, error } = spawnSync('python3', ['-c', program], { input, encoding: 'utf8' });
  if (error || status !== 0) throw error ?? new Error(`python3 ended with ${status}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => BigInt(`0x${line}`));
}

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));
const some = (bytes: number): bigint => toBigInt(randomBytes(bytes));
/** Odd, with its highest bit set, so that it fills its bytes. */
const odd = (bytes: number): bigint => some(bytes) | 1n | (1n << BigInt(8 * bytes - 1));

t.test('every length that cards take, also odd ones and numbers with leading zeros', async (t) => {
  const lengths = [1, 2, 3, 8, 15, 16, 17, 31, 57, 64, 127, 128, 129, 200, 255, 256, 257, 300, 383, 384, 511, 512];
  const questions: [bigint, bigint, bigint][] = [];
  const answers: bigint[] = [];
  const names: string[] = [];
  for (const length of lengths)
    for (const mode of ['accel', 'cca'] as const) {
      if (mode === 'cca' && length < 16) continue;
      // A modulus shorter than its field too: the leading zeros are no part of the number.
      for (const size of new Set([length, Math.max(1, length - 3)])) {
        const modulus = odd(size) | 3n;
        const [base, exponent] = [some(size) % modulus, some(Math.min(size, 24))];
        questions.push([base, exponent, modulus]);
        answers.push(await modexpo(mode, length, base, exponent, modulus));
        names.push(`${mode} ${length} bytes, modulus of ${size}`);
      }
    }
  const right = python(questions);
  t.same(
    names.filter((_, i) => answers[i] !== right[i]),
    [],
  );
  t.equal(right.length, answers.length);
});

t.test('the Chinese remainder form in every even length, with numbers that are no primes', async (t) => {
  const questions: [bigint, bigint, bigint][] = [];
  const answers: { name: string; result: bigint; p: bigint; q: bigint }[] = [];
  for (const length of [16, 18, 34, 64, 100, 128, 130, 254, 256, 258, 384, 510, 512])
    for (const mode of ['accel', 'cca'] as const) {
      const half = length / 2;
      let [p, q] = [odd(half), odd(half)];
      while (gcd(p, q) !== 1n) [p, q] = [odd(half), odd(half)];
      const base = some(length) % (p * q);
      const [dp, dq] = [some(half), some(half)];
      const result = await crt(mode, length, base, { p, q, dp, dq });
      answers.push({ name: `${mode} ${length}`, result, p, q });
      questions.push([base, dp, p], [base, dq, q]);
    }
  // The result is the one number below p q with these remainders.
  const right = python(questions);
  const wrong = answers.filter(
    ({ result, p, q }, i) => result >= p * q || result % p !== right[2 * i] || result % q !== right[2 * i + 1],
  );
  t.same(
    wrong.map(({ name }) => name),
    [],
  );
});
