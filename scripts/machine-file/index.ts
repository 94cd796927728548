/**
 * Machine files and presets.
 */
export { explainStart, loadMachine, mustBeMachine, NO_MACHINE } from './load.js';
export { type MachineFile, parseMachineFile } from './parse.js';
export { isPreset, PRESETS, type PresetName, printPreset } from './presets.js';
export { printMachine } from './print.js';
export { type FileProblem, MachineFileError, problemLine } from './problem.js';
export { machineSchema, SCHEMA_URL } from './schema.js';
export { handedOver, type MachineSource, readMachine } from './source.js';
