/**
 * What a mount needs of a system, one check each.
 */
import { fetchedEmulators } from '../run/s390x.js';
import { type Host, hasLibrary, hasProgram } from './host.js';
import { asRoot, installLine } from './packages.js';

/** missing: nothing works without; optional: something does not work. */
export type Verdict = 'ok' | 'missing' | 'optional';

export interface Finding {
  readonly need: string;
  readonly verdict: Verdict;
  /** What was found. */
  readonly found: string;
  /** One line to type, or to do. */
  readonly mend?: string;
}

type Check = (host: Host) => Omit<Finding, 'need'>;

const ok = (found: string): Omit<Finding, 'need'> => ({ verdict: 'ok', found });
const missing = (found: string, mend: string): Omit<Finding, 'need'> => ({ verdict: 'missing', found, mend });
const optional = (found: string, mend: string): Omit<Finding, 'need'> => ({ verdict: 'optional', found, mend });

const OLDEST_NODE = 20;
const CAP_SYS_ADMIN = 21n;

const CHECKS: Readonly<Record<string, Check>> = {
  'Node.js': ({ nodeVersion }) =>
    Number(nodeVersion.split('.')[0]) >= OLDEST_NODE
      ? ok(nodeVersion)
      : missing(`${nodeVersion} is too old`, `install Node.js ${OLDEST_NODE} or newer: https://nodejs.org/en/download`),

  '/dev/fuse': (host) => {
    if (host.exists('/dev/fuse')) return ok('is there');
    const inContainer = host.exists('/.dockerenv') || host.exists('/run/.containerenv');
    return missing(
      'is not there',
      inContainer ? 'docker run --device /dev/fuse --cap-add SYS_ADMIN ..' : asRoot(host, 'modprobe fuse'),
    );
  },

  'permission for /dev/fuse': (host) => {
    if (!host.exists('/dev/fuse')) return missing('there is no /dev/fuse', 'see above');
    return host.usable('/dev/fuse')
      ? ok('read and write')
      : missing('not for this user', asRoot(host, 'chmod 666 /dev/fuse'));
  },

  'permission to mount': (host) => {
    if (host.uid !== 0) return ok('by fusermount');
    return mayMount(host)
      ? ok('root with CAP_SYS_ADMIN')
      : missing('root without CAP_SYS_ADMIN', 'docker run --device /dev/fuse --cap-add SYS_ADMIN ..');
  },

  'mount and umount': (host) => {
    if (host.uid !== 0) return ok('ordinary users do without');
    return hasProgram(host, 'mount') && hasProgram(host, 'umount')
      ? ok('are there')
      : missing('not there', installLine(host, 'mount'));
  },

  libfuse2: (host) => {
    // By --transport dev-fuse one does without.
    const needless = mayMount(host) || isHelped(host);
    const without = needless ? optional : missing;
    const only = needless ? '; only --transport fuse-native needs it' : '';
    if (!hasLibrary(host, 'libfuse.so.2')) return without(`no libfuse.so.2${only}`, installLine(host, 'libfuse2'));
    const problem = host.addonProblem();
    return problem === undefined
      ? ok('libfuse.so.2, and the addon loads')
      : without(`${problem}${only}`, 'npm install fuse-native (x64 only)');
  },

  fusermount: (host) => {
    if (hasProgram(host, 'fusermount3') || hasProgram(host, 'fusermount')) return ok('is there');
    const mend = installLine(host, 'fusermount');
    return host.uid === 0 ? optional('not there; ordinary users need it', mend) : missing('not there', mend);
  },

  'python3 or perl': (host) => {
    if (host.uid === 0) return ok('root needs neither');
    if (hasProgram(host, 'python3') || hasProgram(host, 'perl')) return ok('receives what fusermount opens');
    if (hasLibrary(host, 'libfuse.so.2') && host.addonProblem() === undefined)
      return ok('neither is there, and fuse-native needs none');
    return optional('neither is there: nobody receives what fusermount opens', 'install one of them');
  },

  'name of the user': (host) => {
    if (host.uid === 0) return ok('root');
    const nameless = namelessUser(host);
    return nameless ? missing(nameless.found, nameless.mend) : ok(host.userName ?? '');
  },

  'user name spaces': (host) => {
    const setting = (name: string): string | undefined => host.read(`/proc/sys/${name}`)?.trim();
    const turnOn = (line: string): Omit<Finding, 'need'> =>
      optional('off: no `unshare -rm` to be root in for a mount of one’s own', asRoot(host, `sysctl -w ${line}`));
    if (setting('user/max_user_namespaces') === '0') return turnOn('user.max_user_namespaces=15000');
    if (setting('kernel/unprivileged_userns_clone') === '0') return turnOn('kernel.unprivileged_userns_clone=1');
    if (setting('kernel/apparmor_restrict_unprivileged_userns') === '1')
      return turnOn('kernel.apparmor_restrict_unprivileged_userns=0');
    return host.exists('/proc/self/ns/user')
      ? ok('on')
      : optional('this kernel has none', 'use a kernel with CONFIG_USER_NS');
  },

  'run, in name spaces': (host) => {
    const lacks = ['unshare', 'mount', 'setsid'].find((name) => !hasProgram(host, name));
    if (lacks !== undefined)
      return optional(`no program ${lacks}: no \`run --recipe namespace\``, installLine(host, 'unshare'));
    const problem = host.namespaceProblem();
    return problem === undefined
      ? ok('programs can be run with the machine in /sys')
      : optional(
          `not to be had: ${problem}`,
          'ap-sysfs run --recipe preload, or env; as root; docker run --cap-add SYS_ADMIN ..',
        );
  },

  'run, by umockdev': (host) =>
    hasLibrary(host, 'libumockdev-preload.so.0')
      ? ok('libumockdev-preload.so.0 is there')
      : optional('not there: no `run --recipe preload`', installLine(host, 'umockdev')),

  'run --uevents': (host) =>
    ['perl', 'python3'].some((name) => hasProgram(host, name))
      ? ok('perl or python3 sends events')
      : optional('neither perl nor python3: events only in files', installLine(host, 'perl')),

  'run --s390x': (host) => {
    if (['qemu-s390x', 'qemu-s390x-static'].some((name) => hasProgram(host, name))) return ok('qemu-user is there');
    return fetchedEmulators().some((path) => host.exists(path))
      ? ok('scripts/get-clients.sh has fetched qemu-s390x')
      : optional('no qemu-s390x', `${installLine(host, 'qemu-user')}, or scripts/get-clients.sh`);
  },

  user_allow_other: (host) => {
    if (host.uid === 0) return ok('root needs it not');
    return othersAllowed(host)
      ? ok('set in /etc/fuse.conf')
      : optional('not set: no mount --allow-other', asRoot(host, 'sh -c "echo user_allow_other >> /etc/fuse.conf"'));
  },
};

/** fusermount notes who has mounted, by name. Undefined: this user has one. */
export function namelessUser({
  uid,
  gid,
  userName,
}: Host): { readonly found: string; readonly mend: string } | undefined {
  if (userName !== undefined) return undefined;
  return {
    found: `user ${uid} has none in /etc/passwd`,
    mend: `as root: echo "user${uid}:x:${uid}:${gid}::/tmp:/bin/sh" >> /etc/passwd`,
  };
}

/** Is this root with the right to mount? */
function mayMount(host: Host): boolean {
  if (host.uid !== 0) return false;
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(host.read('/proc/self/status') ?? '')?.[1];
  return mask === undefined || ((BigInt(`0x${mask}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

/** Can fusermount mount for --transport dev-fuse? */
function isHelped(host: Host): boolean {
  return (
    (hasProgram(host, 'fusermount3') || hasProgram(host, 'fusermount')) &&
    (hasProgram(host, 'python3') || hasProgram(host, 'perl'))
  );
}

/** May ordinary users let others in? */
export const othersAllowed = (host: Host): boolean => /^\s*user_allow_other\b/m.test(host.read('/etc/fuse.conf') ?? '');

/** Looks at everything, in the order in which it is needed. */
export function examine(host: Host): Finding[] {
  return Object.entries(CHECKS).map(([need, check]) => ({ need, ...check(host) }));
}
