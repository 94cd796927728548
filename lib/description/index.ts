/**
 * Machines as plain objects: describe one, check it, make a world of it.
 */
export { machineOptions, worldOptions } from './build.js';
export { checkDescription } from './check.js';
export type * from './description.js';
export type { FaultDescription, FaultOp } from './fault.js';
export { DescriptionError, type FieldPath, type Problem, pathText } from './problem.js';
export { worldFromDescription } from './world.js';
