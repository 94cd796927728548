/**
 * `faults`: files that fail, take long or tell something else.
 *
 * Write `add read|write|open GLOB [nth N] [count N] [delay 2s] [errno EIO | value TEXT ..]`
 * (the reply is the rule's number) or `remove N|all`; read: the rules, with how
 * many calls each has met and hit.
 */
import { FAULT_OPS, type FaultDescription, type FaultOp, isErrno } from '../../lib/description/fault.js';
import { didYouMean } from '../../lib/description/nearest.js';
import { ERRNO, KernelError } from '../../lib/errno.js';
import type { Fault, Faults } from '../faults/faults.js';
import { duration } from './clock.js';
import { type Outcome, printed } from './verbs.js';

/** `3 matched 7 hits 1 over read devices/ap/card00/serialnr nth 2 count 1 errno EIO` */
export const faultLine = (fault: Fault): string =>
  `${fault.id} matched ${fault.matched} hits ${fault.hits} ${fault.over ? 'over' : 'on'} ${ruleText(fault)}\n`;

export const describeFaults = (faults: Faults): string => faults.list().map(faultLine).join('');

/** A rule as `add` takes it. */
export function ruleText({ op, path, nth, count, delay, errno, value }: FaultDescription): string {
  const words = [op, path];
  if (nth !== undefined) words.push('nth', String(nth));
  if (count !== undefined) words.push('count', String(count));
  if (delay !== undefined) words.push('delay', `${delay / 1e6}ms`);
  if (errno !== undefined) words.push('errno', errno);
  if (value !== undefined) words.push('value', onOneLine(value));
  return words.join(' ');
}

/** Values of a machine file may have line breaks of their own. */
const onOneLine = (value: string): string => value.replaceAll('\n', '\\n');

export function runFaultCommand(faults: Faults, line: string): Outcome {
  const [verb, ...words] = line.trim().split(' ');
  if (verb === 'add') return printed(`${faults.add(parseRule(words))}\n`);
  const [which, ...more] = words;
  if (verb !== 'remove' || which === undefined || more.length > 0)
    throw wrong(`"${line.trim()}" is neither add OP GLOB .. nor remove N|all`);
  if (which === 'all') faults.removeAll();
  else faults.remove(positive('remove', which));
  return printed('');
}

/** @throws EINVAL */
function parseRule([op, path, ...words]: readonly string[]): FaultDescription {
  if (op === undefined || !isOp(op))
    throw wrong(`"${op ?? ''}" is not one of ${FAULT_OPS.join(', ')}${didYouMean(op ?? '', FAULT_OPS)}`);
  if (path === undefined || path === '') throw wrong('the pattern of the path is missing');
  const rule: { -readonly [K in keyof FaultDescription]: FaultDescription[K] } = { op, path };
  for (let i = 0; i < words.length; i += 2) {
    const [name = '', word] = [words[i], words[i + 1]];
    if (word === undefined) throw wrong(`${name} is missing its value`);
    if (name === 'nth' || name === 'count') rule[name] = positive(name, word);
    else if (name === 'delay') rule.delay = duration(word);
    else if (name === 'errno') rule.errno = errnoOf(word);
    else if (name === 'value') {
      // All that follows, blanks as they are.
      rule.value = words.slice(i + 1).join(' ');
      break;
    } else throw wrong(`"${name}" is not one of ${WORDS.join(', ')}${didYouMean(name, WORDS)}`);
  }
  return rule;
}

const WORDS = ['nth', 'count', 'delay', 'errno', 'value'];

const isOp = (word: string): word is FaultOp => FAULT_OPS.some((op) => op === word);

function positive(name: string, word: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(word)) throw wrong(`${name}: "${word}" is not a number from 1 on`);
  return Number(word);
}

function errnoOf(word: string): NonNullable<FaultDescription['errno']> {
  if (!isErrno(word)) throw wrong(`"${word}" is no errno that is known here${didYouMean(word, Object.keys(ERRNO))}`);
  return word;
}

const wrong = (text: string): KernelError => new KernelError('EINVAL', `faults: ${text}`);
