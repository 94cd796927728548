/**
 * Commands that hand their words on to a control file, in its vocabulary.
 */
import type { Command } from 'commander';
import { didYouMean } from '../lib/description/nearest.js';
import { EXIT } from './exit-status.js';
import { Failure } from './failure.js';
import { addSysOption, chooseMount } from './mounts/choose.js';
import { Control } from './mounts/control.js';
import { print } from './output/terminal.js';

/** A command whose words may begin with a dash: a count of -1 is no option. */
export function wordsCommand(program: Command, name: string): Command {
  return addSysOption(program.command(name)).passThroughOptions().allowUnknownOption();
}

export interface WordsOptions {
  readonly sys?: string;
  /** What the machine's own words of a refusal mean, if they are short; they go through else. */
  plain?(complaint: string, words: readonly string[]): string;
  /** What to do after a refusal. */
  next(complaint: string): string;
}

/** Complaints about the words themselves; the machine has not been asked. */
const WORDING =
  /is not one of|unknown |is missing|is not a (?:number|queue)|is not in |too much: |is not 1 to|start\|raw\|cmd UUID|not on or off/;

/** Runs words, or shows what the file tells if there are none. @throws Failure what the machine refused */
export function runWords(file: string, written: readonly string[], command: Command, options: WordsOptions): void {
  const { words, sys, help } = optionsAmong(file, written);
  if (help) {
    command.outputHelp();
    return;
  }
  const control = new Control(chooseMount(sys ?? options.sys ?? command.optsWithGlobals().sys));
  if (words.length === 0) {
    print(control.read(file) || `no ${file}s\n`);
    return;
  }
  const line = words.join(' ');
  if (/^[\s;]*$/.test(line))
    throw new Failure(`${file}: this is no command`, { status: EXIT.usage, next: options.next('known: ') });
  const { stdout, stderr, rc } = control.run(file, line);
  print(stdout);
  if (rc === 0) return;
  const complaint = stderr.trim().replace(/^(?:hw|vfioguest): /, '');
  const said = options.plain?.(complaint, words) ?? complaint;
  throw new Failure(`${file}: ${said}${meant(complaint, words)}`, {
    status: WORDING.test(complaint) ? EXIT.usage : EXIT.failed,
    next: options.next(complaint),
  });
}

/** Options may also stand behind the words. @throws Failure there is no such option */
function optionsAmong(file: string, written: readonly string[]): { words: string[]; sys?: string; help: boolean } {
  const words: string[] = [];
  let sys: string | undefined;
  let help = false;
  for (let i = 0; i < written.length; i++) {
    const word = written[i] ?? '';
    if (word === '--sys') sys = written[++i] ?? '';
    else if (word.startsWith('--sys=')) sys = word.slice('--sys='.length);
    else if (word === '--help' || word === '-h') help = true;
    else if (/^--?[a-z]/i.test(word))
      throw new Failure(`unknown option '${word}'${didYouMean(word, ['--sys', '--help'])}`, {
        status: EXIT.usage,
        next: `ap-sysfs ${file} --help    explains the command`,
      });
    else words.push(word);
  }
  return { words, help, ...(sys !== undefined && { sys }) };
}

/** The nearest of the words that the complaint itself lists. */
function meant(complaint: string, words: readonly string[]): string {
  const [, which = words[0] ?? '', known] =
    /"([^"]*)" is not one of ([^;]*)/.exec(complaint) ??
    /unknown (?:\w+ )?"?([^" ]+)"? \(known: ([^)]*)\)/.exec(complaint) ??
    [];
  return known ? didYouMean(which, known.split(/[ ,]+/)) : '';
}
