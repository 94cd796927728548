/**
 * How this system installs what is missing.
 */
import { type Host, hasProgram } from './host.js';

/** What a distribution calls a need. */
export type Package = 'libfuse2' | 'fusermount' | 'mount' | 'unshare' | 'umockdev' | 'perl' | 'qemu-user';

interface Manager {
  readonly tool: string;
  readonly install: string;
  readonly names: Readonly<Record<'libfuse2' | 'fusermount' | 'mount', string>> & Partial<Record<Package, string>>;
}

const MANAGERS: readonly Manager[] = [
  { tool: 'apt-get', install: 'apt-get install', names: { libfuse2: 'libfuse2', fusermount: 'fuse3', mount: 'mount' } },
  { tool: 'dnf', install: 'dnf install', names: { libfuse2: 'fuse-libs', fusermount: 'fuse', mount: 'util-linux' } },
  {
    tool: 'zypper',
    install: 'zypper install',
    names: { libfuse2: 'libfuse2', fusermount: 'fuse', mount: 'util-linux' },
  },
  { tool: 'pacman', install: 'pacman -S', names: { libfuse2: 'fuse2', fusermount: 'fuse2', mount: 'util-linux' } },
  { tool: 'apk', install: 'apk add', names: { libfuse2: 'fuse', fusermount: 'fuse', mount: 'util-linux' } },
];

/** For systems whose packages are not known. */
const PLAIN: Readonly<Record<Package, string>> = {
  libfuse2: 'libfuse.so.2 (package libfuse2 or fuse-libs)',
  fusermount: 'fusermount (package fuse3 or fuse)',
  mount: 'mount and umount (package util-linux)',
  unshare: 'unshare, mount, setsid (package util-linux)',
  umockdev: 'umockdev',
  perl: 'perl, or python3',
  'qemu-user': 'qemu-s390x (package qemu-user)',
};

/** What most distributions agree on. */
const COMMON: Partial<Record<Package, string>> = { unshare: 'util-linux', umockdev: 'umockdev', perl: 'perl' };

/** The line to type as root. */
export const asRoot = (host: Host, command: string): string => (host.uid === 0 ? command : `sudo ${command}`);

/** The line to type for a package. */
export function installLine(host: Host, wanted: Package): string {
  const manager = MANAGERS.find(({ tool }) => hasProgram(host, tool));
  if (!manager) return `install ${PLAIN[wanted]}`;
  return asRoot(host, `${manager.install} ${manager.names[wanted] ?? COMMON[wanted] ?? wanted}`);
}
