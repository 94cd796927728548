/**
 * Steps that still come out differently, with the reason. The replay itself
 * knows nothing of this list and counts them; the test fails on any other.
 */
export interface KnownDifference {
  readonly kernels: readonly string[];
  readonly scenario: string;
  /** Counted from 0. */
  readonly step: number;
  readonly reason: string;
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    kernels: ['7.2', '6.12', '6.1'],
    scenario: '49-novfio-load',
    step: 8,
    reason:
      'lsmod counts a second user of zcrypt that no file around it shows; in 6.1 it lists a driver of the recording system',
  },
];
