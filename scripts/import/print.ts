/**
 * An imported machine as a commented machine file.
 */
import type { MachineDescription } from '../../lib/description/description.js';
import { printMachine } from '../machine-file/print.js';

const ABOVE: Readonly<Partial<Record<keyof MachineDescription, string>>> = {
  system: 'What the system runs in: lpar, zvm or kvm.',
  facilities: 'What is not as usual.',
  limits: 'Greatest ids.',
  qciFlags: 'What the AP configuration can do.',
  adapters: 'Left out: what a card has by default (ap-sysfs machine shows it).',
  domains: 'Usage and control domains of the system.',
  kernel: 'The simulated kernel; parameters as at boot.',
  state: 'What was done since boot.',
  mdevs: 'Mediated devices.',
  guests: 'Mdevs that somebody used.',
};

const WIDTH = 110;

/** @param notes what is not known */
export function printImported(description: MachineDescription, source: string, notes: readonly string[]): string {
  const head = [`A machine for ap-sysfs, imported from ${source}.`];
  if (notes.length > 0)
    head.push('', 'What it did not tell, or cannot be said here:', ...notes.map((note) => `- ${note}`));
  const sections = Object.entries(description).map(([key, value]) => {
    const above = ABOVE[key as keyof MachineDescription];
    return `\n${above === undefined ? '' : comment(above)}${printMachine({ [key]: value } as MachineDescription)}`;
  });
  return head.map(comment).join('') + sections.join('');
}

function comment(text: string): string {
  if (text === '') return '#\n';
  const hang = text.startsWith('- ') ? '  ' : '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = hang + word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => `# ${each}\n`).join('');
}
