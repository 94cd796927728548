/**
 * The machine now, as text for people (`hw show`, `cat hw`, `hw queue .. status`).
 * Queues are listed where something is in them or set on them.
 */
import type { Adapter } from './adapter.js';
import type { Machine } from './machine.js';
import { type HardwareQueue, QUEUE_INSTRUCTIONS } from './queue.js';

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
const flag = (on: boolean): string => (on ? 'on' : 'off');

const delayText = ({ processingDelay }: Machine): string =>
  processingDelay === 'by-speed' ? processingDelay : `${processingDelay / 1000} us`;

export function describeMachine(machine: Machine): string {
  const lines = [
    `qci ${flag(machine.qciInstalled)} flags 0x${hex(machine.qciFlags, 8)} limits ${machine.maxAdapter} ${machine.maxDomain}`,
    `notify ${flag(machine.notify)} delay ${delayText(machine)}` +
      ` reset-ms ${machine.resetDuration / 1_000_000} reset-polls ${machine.resetPolls}` +
      ` assoc-polls ${machine.assocPolls} hold ${flag(machine.holdNewQueues)}`,
    `domains  ${list(machine.usageDomains.ids(), 4)}`,
    `cdomains ${list(machine.controlDomains.ids(), 4)}`,
  ];
  const ids = new Set([...machine.adapters.keys(), ...machine.adapterMask.ids()]);
  for (const id of [...ids].sort((a, b) => a - b)) {
    const card = machine.adapters.get(id);
    lines.push(card ? cardLine(machine, card) : `card ${hex(id, 2)} listed, no card`);
  }
  const queues = machine.touchedQueues().filter((queue) => queue.isRemarkable);
  return `${lines.join('\n')}\n${queues.map(queueStatusLine).join('')}`;
}

/**
 * One line about a queue: contents, knobs, answers so far, and the instructions
 * since the last `resets` (those that were issued at all).
 */
export function queueStatusLine(queue: HardwareQueue): string {
  const counts = QUEUE_INSTRUCTIONS.filter((instruction) => queue.count(instruction) > 0)
    .map((instruction) => ` ${instruction}=${queue.count(instruction)}`)
    .join('');
  return (
    `queue ${queue.name} req ${queue.requests} rep ${queue.replies} hold ${Number(queue.hold)}` +
    ` irq ${Number(queue.irqEnabled)} reset-left ${queue.resetPollsLeft} busy ${queue.busy}` +
    ` bs ${queue.bindState} answered ${queue.answered}${counts}\n`
  );
}

function cardLine(machine: Machine, card: Adapter): string {
  const { fac, depth, ml, serial } = card.description;
  const states = [
    card.configured ? '' : 'deconfigured',
    card.checkstopped ? 'check-stopped' : '',
    card.present ? '' : 'not present',
    machine.adapterMask.has(card.id) ? '' : 'not listed',
    card.sclpResponse === undefined ? '' : `sclp-rc 0x${hex(card.sclpResponse, 4)}`,
  ].filter((state) => state !== '');
  const state = states.length > 0 ? states.join(', ') : 'configured';
  return (
    `card ${hex(card.id, 2)} ${card.typeText.padEnd(10)} fac 0x${hex(fac, 8)}` +
    ` depth ${depth} ml ${ml} serial ${serial} ${state}`
  );
}

const list = (ids: readonly number[], digits: number): string =>
  ids.length > 0 ? ids.map((id) => hex(id, digits)).join(' ') : '-';
