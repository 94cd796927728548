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
  /** What to do after a refusal. */
  readonly next: string;
}

/** Complaints about the words themselves; the machine has not been asked. */
const WORDING =
  /is not one of|unknown |is missing|is not a number|is not in |too much: |is not 1 to|start\|raw\|cmd UUID/;

/** Runs words, or shows what the file tells if there are none. @throws Failure what the machine refused */
export function runWords(file: string, words: readonly string[], command: Command, options: WordsOptions): void {
  const flag = words.find((word) => /^--?[a-z]/i.test(word));
  if (flag === '--help' || flag === '-h') {
    command.outputHelp();
    return;
  }
  const known = ['--sys', '--help'];
  if (flag !== undefined)
    throw new Failure(`${file}: options go in front of the words: ${flag}${didYouMean(flag, known)}`, {
      status: EXIT.usage,
      next: `ap-sysfs ${file} --sys DIR ${words.filter((word) => word !== flag).join(' ')}`,
    });
  const control = new Control(chooseMount(options.sys ?? command.optsWithGlobals().sys));
  if (words.length === 0) {
    print(control.read(file) || `no ${file}s\n`);
    return;
  }
  const { stdout, stderr, rc } = control.run(file, words.join(' '));
  print(stdout);
  if (rc === 0) return;
  const complaint = stderr.trim();
  throw new Failure(
    complaint.startsWith(`${file}: `) ? complaint + meant(complaint) : `${file}: ${complaint}${meant(complaint)}`,
    {
      status: WORDING.test(complaint) ? EXIT.usage : EXIT.failed,
      next: options.next,
    },
  );
}

/** The nearest of the words that the complaint itself lists. */
function meant(complaint: string): string {
  const choices =
    /"([^"]*)" is not one of (.*)$/.exec(complaint) ?? /unknown \w+ "?([^" ]*)"? \(known: (.*)\)$/.exec(complaint);
  const [, written, known] = choices ?? [];
  return written && known ? didYouMean(written, known.split(/[ ,]+/)) : '';
}
