/**
 * What this process may do with a file of the host, by access(2).
 */
import { accessSync, constants } from 'node:fs';

/** @param mode of `constants` of node:fs: R_OK, W_OK, X_OK. False too if the file is not there. */
export function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** Is /dev/fuse there, and for us? */
export const mayUseFuse = (): boolean => mayAccess('/dev/fuse', constants.R_OK | constants.W_OK);
