/**
 * Machine files: what may be written how, presets, the schema.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { type MachineDescription, worldOptions } from '../../lib/description/index.js';
import { describeMachine } from '../../lib/hardware/describe.js';
import { Machine } from '../../lib/hardware/machine.js';
import { runHardwareCommand } from '../../lib/hardware/vocabulary.js';
import { DEFAULT_HARDWARE } from '../../lib/world.js';
import {
  loadMachine,
  MachineFileError,
  machineSchema,
  PRESETS,
  type PresetName,
  parseMachineFile,
  printMachine,
  printPreset,
} from '../../scripts/machine-file/index.js';
import { resolve, type Schema } from '../../scripts/machine-file/schema.js';
import { bootMachine } from '../support/machine.js';

const read = (text: string): MachineDescription => parseMachineFile(text, 'machine.yaml').description;

/** The hardware of a description as text, without a kernel. */
async function hardwareText(build: (machine: Machine) => void): Promise<string> {
  const m = await bootMachine({ hardware: '' });
  const machine = new Machine(m.world.ports);
  build(machine);
  return describeMachine(machine);
}

t.test('ways to write the same', (t) => {
  const DOMAINS = [4, 5, 6, 0x1b];
  for (const usage of ['[4, 5, 6, 0x1b]', '"4-6, 0x1b"', '"0x04-6 0x1b"', '[4-6, "27"]'])
    t.same(read(`domains: {usage: ${usage}}`), { domains: { usage: DOMAINS } }, usage);
  t.same(read('domains:\n  usage: 4-6, 0x1b'), { domains: { usage: DOMAINS } });
  t.throws(() => read('domains: {usage: 4-6, 0x1b}'), /1:23: domains: unknown field "27"/, 'braces take the comma');
  t.same(read('domains: {usage: 6}'), { domains: { usage: [6] } });
  t.same(read('{"domains": {"usage": ["4-6", "0x1b"]}}'), { domains: { usage: DOMAINS } }, 'JSON');
  t.same(read('{\n\t"seed": "0x10",\n\t"clock": "manual"\n}'), { seed: 16, clock: 'manual' }, 'JSON with tabs');
  t.same(read('kernel: {version: 6.1}'), { kernel: { version: '6.1' } }, 'a version is no number');
  t.same(read('kernel: {version: "6.12"}'), { kernel: { version: '6.12' } });
  t.same(read('timing: {reply: by-speed}'), { timing: { reply: 'by-speed' } });
  t.same(read('timing: {reset: 1.5s, reply: 20 us}'), { timing: { reset: 1.5e9, reply: 20_000 } });
  const serial = (text: string) =>
    read(`adapters:\n- {id: 0, type: 14, mode: cca, serial: ${text}}\ndomains: {usage: 1}`);
  for (const text of ['01234567', '93E00012', '0x123456', '"1"'])
    t.equal(serial(text).adapters?.[0]?.serial, text.replaceAll('"', ''), 'a serial number is text');
  t.same(read('{}'), {}, 'a machine of which nothing is said');
  for (const text of ['', '# only a comment\n', '---\n', 'null\n'])
    t.throws(() => read(text), /nothing is described here/, JSON.stringify(text));
  t.same(read('# only a comment\nadapters:\nkernel: {version: }\n'), { kernel: {} }, 'fields without a value');
  t.end();
});

t.test('a file takes the types that the vocabulary takes and a driver knows: cex4 to cex9, or a number', async (t) => {
  const file = (type: string) => () => read(`adapters: [{id: 0, type: ${type}, mode: cca}]\ndomains: {usage: 1}`);
  const hw = (type: string) => () => hardwareText((m) => void runHardwareCommand(m, `card 0 add ${type} cca`));
  for (const type of ['cex4', 'cex8', 'cex9', '15', '7']) {
    t.doesNotThrow(file(type), type);
    await t.resolves(hw(type), type);
  }
  for (const type of ['cex10', 'cex', '256']) {
    t.throws(file(type), MachineFileError, type);
    await t.rejects(hw(type), type);
  }
});

t.test('anchors and merge keys', (t) => {
  const text = 'adapters:\n- &card {id: 0, type: cex8, mode: cca, depth: 4}\n- {<<: *card, id: 1}\ndomains: {usage: 1}';
  t.same(read(text).adapters, [
    { id: 0, type: 'cex8', mode: 'cca', depth: 4 },
    { id: 1, type: 'cex8', mode: 'cca', depth: 4 },
  ]);
  t.end();
});

t.test('presets', async (t) => {
  for (const name of Object.keys(PRESETS) as PresetName[]) {
    const { description, warnings } = parseMachineFile(printPreset(name), `${name}.yaml`);
    t.same(warnings, [], name);
    t.same(loadMachine(name), description, 'its text is the machine that it names');
    t.match(printPreset(name), /^# A machine for ap-sysfs: /);
  }
  const described = await hardwareText((machine) => worldHardware(machine, loadMachine('default')));
  t.equal(described, await hardwareText((machine) => runHardwareCommand(machine, DEFAULT_HARDWARE)));
  const size = ({ adapters = [], domains = {} }: MachineDescription): string =>
    `${adapters.flatMap(({ id }) => id).length} x ${domains.usage?.length}`;
  t.equal(size(loadMachine('small')), '1 x 1');
  t.equal(size(loadMachine('large')), '16 x 16');
  t.equal(size(loadMachine('full')), '256 x 256');
});

function worldHardware(machine: Machine, description: MachineDescription): void {
  const { hardware } = worldOptions(description);
  if (typeof hardware === 'function') hardware(machine);
}

t.test('a description printed and read again is the same', (t) => {
  const text = `
system: zvm
adapters:
- {id: 3-5, type: 15, mode: ep11, serial: 0x12, op-modes: [BSI2009], master-keys: {wk: {new: committed}}}
- id: [9, 7]
  type: cex8
  mode: cca
  functions: 0x92000000
  domains: [{id: 1-2, master-keys: {aes: {current: valid 0x0123456789abcdef, old: valid}}}]
domains: {usage: [1, 2, 9], control: []}
timing: {reset: 1.5s, reply: 20us}
kernel: {version: 6.12, command-line: "quiet ap.apmask=0x0", modules: []}`;
  for (const description of [read(text), ...Object.keys(PRESETS).map((name) => loadMachine(name))])
    t.same(read(printMachine(description)), description);
  t.match(printMachine(read(text)), 'usage: 1-2, 9\n');
  t.match(printMachine(read(text)), 'reset: 1500ms\n');
  t.end();
});

t.test('the default preset shows every field, and its comments are true', (t) => {
  // Comments that are fields become fields, those behind a field go.
  const everything = printPreset('default')
    .split('\n')
    .map((line) => line.replace(/^( *)# ?((?: *- )?[a-z0-9-]+:(?: .*)?| *- .*| +[a-z-]+:.*)$/, '$1$2'))
    .filter((line) => !/^ *#|^[A-Z]/.test(line))
    .join('\n');
  const contents: unknown = parse(everything);
  const missing: string[] = [];
  const look = (part: Schema, values: readonly unknown[], path: string): void => {
    const schema = resolve(part);
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      const inside = values
        .map((value) => (value as Record<string, unknown> | undefined)?.[name])
        .filter((v) => v !== undefined);
      // Registers, and what single domains may have, are like those that are shown.
      if (inside.length === 0 && !/master-keys\.\w+|domains\[\]/.test(path)) missing.push(`${path}.${name}`);
      const target = resolve(field);
      if (target.properties) look(target, inside, `${path}.${name}`);
      else if (target.items?.$ref || target.items?.properties) look(target.items, inside.flat(), `${path}.${name}[]`);
    }
  };
  look(machineSchema(), [contents], '');
  t.same(missing, []);
  t.end();
});

t.test('every field of the schema has a title or a description, and defaults and examples that fit', (t) => {
  const untold: string[] = [];
  const look = (part: Schema, path: string): void => {
    const schema = resolve(part);
    if (path !== '' && !schema.title && !schema.description) untold.push(path);
    for (const value of [schema.default, ...(schema.examples ?? [])]) {
      if (value !== undefined && schema.enum && !schema.enum.includes(String(value)))
        untold.push(`${path}: ${String(value)}`);
    }
    for (const [name, field] of Object.entries(schema.properties ?? {})) look(field, `${path}.${name}`);
    if (schema.items?.properties || schema.items?.$ref) look(resolve(schema.items), `${path}[]`);
  };
  look(machineSchema(), '');
  t.same(
    untold.filter((path) => !/^\.(?:mdevs|guests|adapters\[\]\.domains)\[\]$/.test(path)),
    [],
  );
  t.end();
});

t.test('loadMachine: presets, files, and what is neither', (t) => {
  const file = join(t.testdir({}), 'm.yaml');
  writeFileSync(file, 'adapters:\n- {id: 0, type: cex8, mode: cca}\n');
  const said: string[] = [];
  t.same(loadMachine(file, (line) => said.push(line)).adapters, [{ id: 0, type: 'cex8', mode: 'cca' }]);
  t.match(said, [/m\.yaml:1:1: warning: domains\.usage: there are no usage domains/]);
  const message = (name: string): string => {
    try {
      loadMachine(name);
      return '';
    } catch (e) {
      return e instanceof MachineFileError ? e.message : String(e);
    }
  };
  t.match(
    message('lage'),
    /no such file, and no such preset \(did you mean large\?\); presets: default, small, large, full/,
  );
  t.match(message('nowhere/x.yaml'), /^nowhere\/x\.yaml:1:1: there is no such file$/);
  t.match(message(t.testdir({})), /this is a directory/);
  t.end();
});
