/**
 * Traffic, for callers of the library.
 */
export { LoadJob, type LoadOptions, type LoadState, type LoadSummary, type LoadWorld } from './job.js';
export type { Percentiles } from './latencies.js';
export type { LoadResult, Tally } from './tally.js';
