/**
 * The kernel's parsers, by the vectors that the original routines gave.
 */
import t from 'tap';
import { parseApParameters } from '../../lib/ap/parameters.js';
import { KernelError } from '../../lib/errno.js';
import { PROFILES } from '../../lib/profile/tables.js';
import { Mask, modifyMask, parseHexMask, parseMaskText } from '../../lib/text/bitmap.js';
import { commandLineWords } from '../../lib/text/command-line.js';
import { kstrtobool, kstrtoint, kstrtouint, kstrtoul, scanD, scanI, scanU64 } from '../../lib/text/kstrto.js';

/** The result, or the errno that was thrown. */
function outcome<T>(parse: () => T): T | string {
  try {
    return parse();
  } catch (e) {
    if (e instanceof KernelError) return e.errno;
    throw e;
  }
}

t.test('kstrtoul takes C numbers with one newline at most', async (t) => {
  const vectors: [string, bigint | string][] = [
    ...['5', '5\n', '+5', '0x5', '0X5', '05', '+0x5', '5\0x'].map((s): [string, bigint] => [s, 5n]),
    ['010', 8n],
    ['0', 0n],
    ['00', 0n],
    ['0\n', 0n],
    ...[' 5', '5 ', '5\n\n', '5x', '++5', '1e3', '0b1', '08', '0x', '0x\n', '-5', '', '\n', '+', '0x+5'].map(
      (s): [string, string] => [s, 'EINVAL'],
    ),
    ['18446744073709551615', (1n << 64n) - 1n],
    ['0xffffffffffffffff', (1n << 64n) - 1n],
    ['18446744073709551616', 'ERANGE'],
    ['99999999999999999999999999', 'ERANGE'],
    ['4294967296', 4294967296n],
  ];
  for (const [text, expected] of vectors)
    t.equal(
      outcome(() => kstrtoul(text)),
      expected,
      JSON.stringify(text),
    );
});

t.test('kstrtouint refuses what does not fit 32 bits', async (t) => {
  t.equal(
    outcome(() => kstrtouint('4294967295')),
    4294967295,
  );
  t.equal(
    outcome(() => kstrtouint('4294967296')),
    'ERANGE',
  );
  t.equal(
    outcome(() => kstrtouint('18446744073709551615')),
    'ERANGE',
  );
});

t.test('kstrtoint takes one sign in front of a C number', async (t) => {
  const vectors: [string, number | string][] = [
    ...['5', '+5', '0x5', '05', '5\n'].map((s): [string, number] => [s, 5]),
    ['-5', -5],
    ['-0x10', -16],
    ['-010', -8],
    ['2147483647', 2147483647],
    ['-2147483648', -2147483648],
    ['2147483648', 'ERANGE'],
    ['-2147483649', 'ERANGE'],
    ...['', '-', '-+5', '+-5', '--5', '5x', ' 5', '1.5', 'yes'].map((s): [string, string] => [s, 'EINVAL']),
  ];
  for (const [text, expected] of vectors)
    t.equal(
      outcome(() => kstrtoint(text)),
      expected,
      JSON.stringify(text),
    );
});

t.test('words of a kernel command line', async (t) => {
  const words = (line: string) => [...commandLineWords(line)].map(({ name, value, at }) => [name, value, at]);
  t.same(words('  quiet ap.domain=6\tx=  '), [
    ['quiet', undefined, 2],
    ['ap.domain', '6', 8],
    ['x', '', 20],
  ]);
  t.same(words('a="b c" "d=e f" "g h"'), [
    ['a', 'b c', 0],
    ['d', 'e f', 8],
    ['g h', undefined, 16],
  ]);
  t.same(words('a=1 -- b=2'), [['a', '1', 0]], 'what follows is for init');
  t.same(words(''), []);
});

t.test('parameters of the module ap', async (t) => {
  const parse = (line: string) => parseApParameters(line, PROFILES['7.2']);
  const { parameters, ignored } = parse(
    'ap.domain=0x1b ap.domain=-010 ap.poll-thread=1 ap.useirq="0" ap.apmask=+1-5 ap.aqmask= ap.msgpool_min_items=4 apx.y=1',
  );
  t.same(parameters, { domain: -8, pollThread: 1, useirq: 0, apmask: '+1-5', aqmask: '', msgpoolMinItems: 4 });
  t.same(ignored, []);
  const LONG = '0'.repeat(1025);
  const log = (line: string) => parse(line).ignored.map((word) => word.log);
  t.same(log('ap.domain=x ap.useirq ap.poll_thread='), [
    "Booting kernel: `x' invalid for parameter `ap.domain'",
    "Booting kernel: `' invalid for parameter `ap.useirq'",
    "Booting kernel: `' invalid for parameter `ap.poll_thread'",
  ]);
  t.same(log(`ap.apmask=${LONG}`), [`Booting kernel: \`${LONG}' too large for parameter \`ap.apmask'`]);
  t.same(log('ap.foo=1'), [undefined], 'a parameter that a built-in module has not: no word');
  t.same(parseApParameters('ap.msgpool_min_items=4', PROFILES['6.12']).ignored, [
    { name: 'msgpool_min_items', value: '4', at: 0, log: undefined },
  ]);
});

t.test('kstrtobool looks at the first one or two characters', async (t) => {
  for (const s of ['1', 'y', 'Y', 't', 'T', 'e', 'on', 'oN', '1abc', '10', 'yes'])
    t.equal(
      outcome(() => kstrtobool(s)),
      true,
      s,
    );
  for (const s of ['0', 'n', 'N', 'f', 'd', 'off', 'oF', '0x5'])
    t.equal(
      outcome(() => kstrtobool(s)),
      false,
      s,
    );
  for (const s of ['', ' 1', '2', '-1', 'o', 'ox', '\n'])
    t.equal(
      outcome(() => kstrtobool(s)),
      'EINVAL',
      s,
    );
});

t.test('%d and %i skip white space, stop at the first non-digit and truncate to 32 bits', async (t) => {
  const vectors: [string, number | undefined, number | undefined][] = [
    ...['5', '5\n', ' 5', '\t5', '5abc', '5 6', '5.5', '\n5'].map((s): [string, number, number] => [s, 5, 5]),
    ['0x5', 0, 5],
    ['010', 10, 8],
    ['08', 8, 0],
    ['4294967301', 5, 5],
    ['4294967297', 1, 1],
    ['18446744073709551617', -1, -1],
    ['-4294967295', 1, 1],
    ['-1', -1, -1],
    ...['+5', '', '\n', '-', '- 5', 'abc'].map((s): [string, undefined, undefined] => [s, undefined, undefined]),
  ];
  for (const [text, d, i] of vectors) {
    t.equal(scanD(text, 'saturate'), d, `%d ${JSON.stringify(text)}`);
    t.equal(scanI(text, 'saturate'), i, `%i ${JSON.stringify(text)}`);
  }
  t.equal(scanD('18446744073709551617', 'wrap'), 1, 'before 7.2 the 64-bit value wraps');
  t.equal(scanU64('-5', 'wrap'), undefined, '%llu takes no sign');
});

const pad = (hex: string): string => `0x${hex.padEnd(64, '0')}`;

t.test('absolute masks fill from the left', async (t) => {
  for (const s of ['0x41', '41', 'x41', '0x41\n']) t.equal(`${parseHexMask(s)}`, pad('41'), s);
  t.equal(`${parseHexMask('1')}`, pad('1'));
  for (const s of ['0x', '0x\n', '0', '\n', '\0', '']) t.equal(`${parseHexMask(s)}`, pad(''), JSON.stringify(s));
  t.equal(`${parseHexMask(`${'f'.repeat(64)}\n`)}`, `${Mask.ones()}`);
  for (const s of ['f'.repeat(65), '0X41', 'xx1', '00x1', ' 0x1', '0x1 ', '0x1,', '0x1\n\n', 'g'])
    t.equal(
      outcome(() => parseHexMask(s)),
      'EINVAL',
      s,
    );
});

t.test('relative masks change single bits and ranges', async (t) => {
  const F = (hex: string): string => `0x${hex.padEnd(64, 'f')}`;
  const vectors: [string, string][] = [
    ...['-5,-6', '-5,-6\n', '-5,,-6', '-5,\n-6\n'].map((s): [string, string] => [s, F('f9')]),
    ['-5-6', F('f9')],
    ['-5+6', F('fb')],
    ['-5\n+5', F('')],
    ['-0-255', pad('')],
    ['+0-15,+32,-128,-0xFF', '0xffffffffffffffffffffffffffffffff7ffffffffffffffffffffffffffffffe'],
    ['-010', F('ff7')],
    ['+0', F('')],
  ];
  for (const [text, expected] of vectors)
    t.equal(`${parseMaskText(Mask.ones(), text, 'reject')}`, expected, JSON.stringify(text));
  for (const s of [
    '+256',
    '-0xff-0x100',
    '-10-5',
    '-5--6',
    '-5 -6',
    '-5, -6',
    '-5,6',
    '-5x',
    '-08',
    '-0x',
    '-',
    '+',
    '--5',
    '-+5',
    '-5-',
    ',-5',
  ])
    t.equal(
      outcome(() => parseMaskText(Mask.ones(), s, 'reject')),
      'EINVAL',
      s,
    );
});

t.test('a number of a relative mask beyond 64 bits is refused, before 7.2 taken modulo 2^64', async (t) => {
  const huge = '+18446744073709551616';
  t.equal(
    outcome(() => modifyMask(Mask.zeros(), huge, 'reject')),
    'EINVAL',
  );
  t.equal(`${modifyMask(Mask.zeros(), huge, 'wrap')}`, pad('8'));
});
