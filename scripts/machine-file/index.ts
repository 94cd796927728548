/**
 * Machine files and presets.
 */
export { explainStart, loadMachine } from './load.js';
export { type FileProblem, type MachineFile, MachineFileError, parseMachineFile, problemLine } from './parse.js';
export { isPreset, PRESETS, type PresetName, printPreset } from './presets.js';
export { printMachine } from './print.js';
export { machineSchema, SCHEMA_URL } from './schema.js';
