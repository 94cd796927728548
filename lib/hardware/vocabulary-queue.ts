/**
 * `queue CC.DDDD ...` of the vocabulary.
 */
import { MSEC } from '../ports.js';
import { queueStatusLine } from './describe.js';
import { mkQid } from './instructions.js';
import type { Machine } from './machine.js';
import { queueName } from './names.js';
import { type HardwareQueue, QUEUE_INSTRUCTIONS } from './queue.js';
import type { ReplyFault } from './reply-fault.js';
import { CommandError, cNumber, parseNumber, type Run, type Words } from './words.js';

/** What a command does to its queue. */
type OnQueue = (queue: HardwareQueue) => void;

const MANY = 1e9;

export function parseQueueCommand(words: Words): Run {
  const qid = parseQueueName(words.word('queue (CC.DDDD)'));
  const find = (machine: Machine): HardwareQueue => {
    const queue = machine.queue(qid);
    if (!queue) throw new CommandError(`there is no card for queue ${queueName(qid)}`);
    return queue;
  };
  const known = `(known: ${['status', ...Object.keys(VERBS)].join(' ')})`;
  if (words.left === 0) throw new CommandError(`what to do is missing ${known}`);
  const verb = words.word('what to do');
  if (verb === 'status') return (machine) => queueStatusLine(find(machine));
  const parse = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (!parse) throw new CommandError(`unknown "${verb}" ${known}`);
  const run = parse(words);
  return (machine) => {
    run(find(machine));
    return '';
  };
}

const VERBS: Readonly<Record<string, (words: Words) => OnQueue>> = {
  hold: () => (queue) => {
    queue.hold = true;
  },
  release: () => (queue) => queue.release(),
  drop: () => (queue) => queue.dropContents(),
  irqoff: () => (queue) => queue.disableInterrupts(),
  'reset-ms': (words) => {
    const ms = words.number('milliseconds', 0, 86_400_000);
    return (queue) => {
      queue.resetDuration = ms * MSEC;
    };
  },
  'reset-polls': (words) => {
    const polls = words.number('polls', 0, MANY);
    return (queue) => {
      queue.resetPolls = polls;
    };
  },
  'reset-left': (words) => {
    const polls = words.number('polls', 0, MANY);
    return (queue) => {
      queue.resetPollsLeft = polls;
    };
  },
  busy: (words) => {
    const count = words.number('instructions', 0, MANY);
    return (queue) => {
      queue.busy = count;
    };
  },
  'irq-polls': (words) => {
    const polls = words.number('polls', 0, MANY);
    return (queue) => {
      queue.irqPolls = polls;
    };
  },
  bs: (words) => {
    const state = words.number('bind state', 0, 3);
    return (queue) => {
      queue.bindState = state;
    };
  },
  async: (words) => {
    const rc = words.number('response code', 0, 0xff);
    return (queue) => {
      queue.asyncResponse = rc;
    };
  },
  inject: (words) => {
    const instruction = words.oneOf(...QUEUE_INSTRUCTIONS);
    const rc = words.number('response code', 0, 0xff);
    const count = words.optionalNumber('count', 0, MANY, 1);
    return (queue) => queue.inject(instruction, rc, count);
  },
  reply: (words) => {
    const fault = parseReply(words);
    return (queue) => {
      queue.replyFault = fault ? { ...fault } : undefined;
    };
  },
};

/** TYPE CODE [COUNT] | cca RC RS [COUNT] | long BYTES [COUNT] | lost [COUNT] | off; undefined: off. */
function parseReply(words: Words): ReplyFault | undefined {
  const first = words.word('what to reply');
  const count = (): number => words.optionalNumber('count', -1, MANY, 1);
  switch (first) {
    case 'off':
      return undefined;
    case 'lost':
      return withCount({ kind: 'lost', left: count() });
    case 'long': {
      const length = words.number('bytes', 0, 0xffff);
      return withCount({ kind: 'long', length, left: count() });
    }
    case 'cca': {
      const returnCode = words.number('return code', 0, 0xffff);
      const reasonCode = words.number('reason code', 0, 0xffff);
      return withCount({ kind: 'cca', returnCode, reasonCode, left: count() });
    }
    default: {
      if (cNumber(first) === undefined) throw new CommandError(`unknown reply "${first}"`);
      const type = parseNumber(first, 'message type', 0, 0xff);
      const code = words.number('reply code', 0, 0xff);
      return withCount({ kind: 'type', type, code, left: count() });
    }
  }
}

/** No requests at all is the same as off. */
const withCount = (fault: ReplyFault): ReplyFault | undefined => (fault.left === 0 ? undefined : fault);

/** As in sysfs, hexadecimal: 02.0004. */
function parseQueueName(word: string): number {
  const match = /^([0-9a-f]{1,2})\.([0-9a-f]{1,4})$/i.exec(word);
  const domain = match ? parseInt(match[2]!, 16) : 256;
  if (!match || domain > 255) throw new CommandError(`"${word}" is not a queue (CC.DDDD)`);
  return mkQid(parseInt(match[1]!, 16), domain);
}
