/**
 * How cards and queues are called in sysfs and in commands.
 *
 * Names are asked for by the thousand in every bus scan and once or twice in
 * every request: each is made once.
 */
import type { Qid } from './instructions.js';

const queues: (string | undefined)[] = [];
const cards: (string | undefined)[] = [];

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

/** 02.0004: adapter and domain, hexadecimal. */
export function queueName(qid: Qid): string {
  let name = queues[qid];
  if (name === undefined) {
    name = `${hex(qid >> 8, 2)}.${hex(qid & 0xff, 4)}`;
    queues[qid] = name;
  }
  return name;
}

/** card02. */
export function cardName(apid: number): string {
  let name = cards[apid];
  if (name === undefined) {
    name = `card${hex(apid, 2)}`;
    cards[apid] = name;
  }
  return name;
}
