/**
 * `card N ...` of the vocabulary.
 */
import { type Adapter, type AdapterDescription, describeAdapter } from './adapter.js';
import type { Machine } from './machine.js';
import { cexType } from './made-up.js';
import { CommandError, parseNumber, type Run, type Words } from './words.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A card as a command describes it. */
interface CardSpec {
  readonly description: AdapterDescription;
  readonly deconfigured: boolean;
  readonly checkstopped: boolean;
}

export function parseCardCommand(words: Words): Run {
  const id = words.number('card id', 0, 255);
  const verb = words.oneOf(
    'add',
    'remove',
    'configure',
    'deconfigure',
    'checkstop',
    'type',
    'apm',
    'present',
    'sclp-rc',
  );
  switch (verb) {
    case 'add':
      return addCard(id, parseCard(id, words));
    case 'type':
      return retypeCard(id, parseCard(id, words));
    case 'remove':
      return (machine) => {
        findCard(machine, id);
        machine.removeAdapter(id);
        return 'changed';
      };
    case 'configure':
    case 'deconfigure':
      return onCard(id, (machine, card) => machine.setConfigured(card, verb === 'configure'));
    case 'checkstop': {
      const on = words.onOff();
      // Check-stop raises no event: drivers find out by response codes.
      return onCard(id, (machine, card) => {
        machine.setCheckstopped(card, on);
        return false;
      });
    }
    case 'present': {
      const on = words.onOff();
      return onCard(id, (machine, card) => machine.setPresent(card, on));
    }
    case 'apm': {
      const on = words.onOff();
      return (machine) => (machine.adapterMask.set(id, on) ? 'changed' : '');
    }
    case 'sclp-rc': {
      const rc = words.number('response code', 0, 0xffff);
      return onCard(id, (_machine, card) => {
        card.sclpResponse = rc === 0 ? undefined : rc;
        return false;
      });
    }
  }
}

function addCard(id: number, spec: CardSpec): Run {
  return (machine) => {
    const card = machine.addAdapter(id, spec.description);
    card.configured = !spec.deconfigured;
    card.checkstopped = spec.checkstopped;
    return 'changed';
  };
}

function retypeCard(id: number, spec: CardSpec): Run {
  return onCard(id, (machine, card) => {
    machine.retypeAdapter(card, spec.description);
    if (spec.deconfigured) machine.setConfigured(card, false);
    if (spec.checkstopped) machine.setCheckstopped(card, true);
    return true;
  });
}

/** `change` says whether the AP configuration is another one now. */
function onCard(id: number, change: (machine: Machine, card: Adapter) => boolean): Run {
  return (machine) => (change(machine, findCard(machine, id)) ? 'changed' : '');
}

function findCard(machine: Machine, id: number): Adapter {
  const card = machine.adapters.get(id);
  if (!card) throw new CommandError(`there is no card ${id}`);
  return card;
}

/** cex4..cex9|TYPENUM cca|accel|ep11 [depth=8] [ml=0] [fac=0x..] [serial=..] [decfg] [chkstop] */
function parseCard(id: number, words: Words): CardSpec {
  const type = parseType(words.word('type'));
  const mode = words.oneOf('cca', 'accel', 'ep11');
  const changes: Partial<Writable<AdapterDescription>> = {};
  let deconfigured = false;
  let checkstopped = false;
  while (words.left > 0) {
    const option = words.word('option');
    const [name, value] = option.split('=', 2);
    if (option === 'decfg') deconfigured = true;
    else if (option === 'chkstop') checkstopped = true;
    else if (value === undefined) throw new CommandError(`unknown option "${option}"`);
    else if (name === 'depth') changes.depth = parseNumber(value, 'depth', 1, 16);
    else if (name === 'ml') changes.ml = parseNumber(value, 'ml', 0, 15);
    else if (name === 'fac') changes.fac = parseNumber(value, 'fac', 0, 0xffffffff);
    else if (name === 'serial') changes.serial = parseSerial(value);
    else throw new CommandError(`unknown option "${option}"`);
  }
  return { description: describeAdapter(id, type, mode, changes), deconfigured, checkstopped };
}

/** "cex8", or the type number that TAPQ is to report. */
function parseType(word: string): number {
  // Cards before CEX4 have a number too: the bus lists them, and no driver takes them.
  const cex = /^cex([1-9])$/i.exec(word);
  if (cex) return cexType(Number(cex[1]));
  if (/^cex/i.test(word))
    throw new CommandError(`type: "${word}" is not one of cex4 to cex9; a number is the type itself`);
  return parseNumber(word, 'type', 0, 255);
}

/** 8 characters; shorter ones are filled up with blanks on the card. */
function parseSerial(value: string): string {
  if (!/^[\x21-\x7e]{1,8}$/.test(value)) {
    throw new CommandError(`serial: "${value}" is not 1 to 8 printable characters`);
  }
  return value.padEnd(8);
}
