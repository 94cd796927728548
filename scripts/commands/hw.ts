/**
 * `ap-sysfs hw COMMAND ..`: changes the hardware, in the vocabulary of the
 * control file `hw`. Drivers find out as real ones do.
 */
import type { Command } from 'commander';
import { examples } from '../help.js';
import { runWords, wordsCommand } from '../words-command.js';

const VOCABULARY = `
Commands, several separated by ';' (N: 5 or 0x05; CC.DDDD: a queue as in sysfs):
  card N add cex4..cex9 cca|accel|ep11 [depth=8] [ml=0] [serial=..]
                                       [decfg] [chkstop]
  card N remove | configure | deconfigure | checkstop on|off | type TYPE MODE
  card N apm on|off | present on|off | sclp-rc 0xRC
  domain N add|remove      cdomain N add|remove
  queue CC.DDDD hold|release|status|drop|irqoff
  queue CC.DDDD reset-ms MS | reset-polls N | busy N | bs 0..3 | async RC
  queue CC.DDDD inject tapq|rapq|zapq|aqic|nqap|dqap|bapq|aapq RC [COUNT]
  queue CC.DDDD reply TYPE CODE [COUNT] | reply cca RC RS [COUNT]
  queue CC.DDDD reply lost [COUNT] | reply off
  show | resets | hold | release | notify on|off|now
  reset-ms MS | reset-polls N | assoc-polls N | delay USEC
  qci-flags 0x.. | limits NA ND`;

export function addHw(program: Command): void {
  const command = wordsCommand(program, 'hw')
    .summary('change the hardware: hw card 3 deconfigure')
    .description('Changes the hardware below the drivers, who find out by response codes, scans and interrupts.')
    .argument('[words...]', 'a command of the vocabulary (default: show)')
    .addHelpText('after', VOCABULARY);
  examples(command, [
    ['ap-sysfs hw card 3 deconfigure', 'as somebody at the console would'],
    ['ap-sysfs hw card 5 add cex8 ep11 serial=TEST0005', 'plug one more'],
    ['ap-sysfs hw "domain 7 add; domain 8 add"', 'two commands'],
    ['ap-sysfs hw queue 00.0004 inject zapq 0x07', 'the next reset finds an invalid address'],
    ['ap-sysfs hw show', 'the machine as the hardware has it'],
  ]).action((words: string[], options: { sys?: string }, self: Command) => {
    runWords('hw', words.length > 0 ? words : ['show'], self, {
      ...options,
      next: (complaint) =>
        complaint.includes('there is no')
          ? 'ap-sysfs hw show    lists what is plugged'
          : 'ap-sysfs hw --help    lists the commands',
    });
  });
}
