/**
 * Machines that come with the package: scripts/presets/NAME.yaml.
 */
import { readFileSync } from 'node:fs';

/** Their names, and what each is. */
export const PRESETS = {
  default: 'four cards and four domains: a CCA, an EP11, an accelerator and an older CCA card',
  small: 'one card with one domain',
  large: '16 cards with 16 domains',
  full: '256 cards with 256 domains: all that can be',
} as const;
export type PresetName = keyof typeof PRESETS;

export const isPreset = (name: string): name is PresetName => Object.hasOwn(PRESETS, name);

/** Where a preset is in the package. */
export const presetUrl = (name: PresetName): URL => new URL(`../../../scripts/presets/${name}.yaml`, import.meta.url);

/** A preset as a commented machine file to start from. */
export const printPreset = (name: PresetName): string => readFileSync(presetUrl(name), 'utf8');
