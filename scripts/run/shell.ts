/**
 * The user's shell, with a prompt that says where he is.
 */
import { homedir } from 'node:os';
import { basename } from 'node:path';
import { packaged } from './plan.js';

/** How a shell is started, and what it finds in its environment. */
export interface ShellWords {
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Those whose prompt is known; others start as they are. */
export function shellWords(env: NodeJS.ProcessEnv): ShellWords {
  const shell = env.SHELL || '/bin/sh';
  switch (basename(shell)) {
    case 'bash':
      return { words: [shell, '--rcfile', packaged('prompt.sh'), '-i'], env };
    case 'zsh':
      // zsh reads the .zshrc of that directory, and ours reads the user's.
      return {
        words: [shell, '-i'],
        env: { ...env, AP_SYSFS_ZDOTDIR: env.ZDOTDIR ?? homedir(), ZDOTDIR: packaged('zsh') },
      };
    case 'fish':
      return { words: [shell, '-i', '-C', FISH], env };
    case 'sh':
    case 'dash':
    case 'ash':
    case 'ksh':
      // Without job control: it would give the terminal back to a process group that is not in its name space.
      return { words: [shell, '-i', '+m'], env: { ...env, AP_SYSFS_ENV: env.ENV ?? '', ENV: packaged('prompt.sh') } };
    default:
      return { words: [shell], env };
  }
}

const FISH =
  'functions -c fish_prompt ap_sysfs_prompt; function fish_prompt; echo -n "(ap-sysfs) "; ap_sysfs_prompt; end';
