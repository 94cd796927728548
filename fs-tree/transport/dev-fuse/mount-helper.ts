/**
 * fusermount's way to a mount, for users who may not mount themselves.
 *
 * fusermount3 is set-user-ID root: it opens /dev/fuse, mounts, and hands the
 * open device over a socket (SCM_RIGHTS). Node can receive sockets and pipes
 * that way, nothing else. So a few lines of Python or Perl, whichever is there,
 * receive it and become Node (exec), which inherits it: a process that wants to
 * mount so starts itself once more, behind `helperCommand`, with the mount
 * there before it.
 */
import { readFileSync, statSync } from 'node:fs';
import { arch } from 'node:process';
import { mayUseFuse } from '../access.js';
import { FS_SUBTYPE, findProgram, fusermount } from '../mount-point.js';

/** Descriptor, a colon, mount point. */
const VARIABLE = 'AP_SYSFS_MOUNTED_DEVICE';

/** What the helper has mounted, and gave to this process. */
export interface MountedDevice {
  readonly fd: number;
  readonly path: string;
}

/**
 * Arguments of both: the status to end with if fusermount refuses, and our words behind its own; options, mount point,
 * fusermount, then the program to become.
 */
const PYTHON = `
import array, fcntl, os, socket, sys
status, words, options, path, fusermount, *program = sys.argv[1:]
ours, theirs = socket.socketpair()
os.set_inheritable(theirs.fileno(), True)
child = os.spawnve(os.P_NOWAIT, fusermount, [fusermount, '-o', options, '--', path],
                   {**os.environ, '_FUSE_COMMFD': str(theirs.fileno())})
theirs.close()
parts = ours.recvmsg(1, socket.CMSG_SPACE(4))[1]
os.waitpid(child, 0)
if not parts:
    sys.stderr.write(words)
    sys.exit(int(status))
fd = array.array('i', parts[0][2])[0]
os.set_inheritable(fd, True)
os.set_blocking(fd, False)
os.environ['${VARIABLE}'] = '%d:%s' % (fd, path)
os.execv(program[0], program)
`;

/** Perl has no recvmsg, but system calls by number. */
const RECVMSG: Readonly<Record<string, number>> = {
  x64: 47,
  arm64: 212,
  riscv64: 212,
  loong64: 212,
  s390x: 372,
  ppc64: 342,
};

const PERL = `
use strict; use Fcntl; use Socket;
my ($recvmsg, $status, $words, $options, $path, $fusermount, @program) = @ARGV;
sub refused { print STDERR $words; exit $status }
socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0) or die "socketpair: $!\\n";
my $child = fork // die "fork: $!\\n";
if (!$child) {
  fcntl($theirs, F_SETFD, 0);
  $ENV{_FUSE_COMMFD} = fileno $theirs;
  exec $fusermount, '-o', $options, '--', $path;
  exit 127;
}
close $theirs;
my ($byte, $control) = ("\\0", "\\0" x 24);
my $vector = pack 'P Q', $byte, 1;
my $message = pack 'Q L x4 P Q P Q l x4', 0, 0, $vector, 1, $control, length $control, 0;
my $got = syscall $recvmsg, fileno($ours), $message, 0;
waitpid $child, 0;
refused() if $got < 1;
my ($length, $level, $type, $fd) = unpack 'Q l l l', $control;
refused() if $length < 20;
open my $device, '+<&=', $fd or die "$fd: $!\\n";
fcntl($device, F_SETFD, 0);
fcntl($device, F_SETFL, O_RDWR | O_NONBLOCK);
$ENV{${VARIABLE}} = "$fd:$path";
exec { $program[0] } @program;
`;

/** The interpreter and its arguments in front of fusermount's options; undefined: there is none. */
function receiver(): readonly string[] | undefined {
  const python = findProgram('python3');
  if (python) return [python, '-I', '-c', PYTHON];
  const perl = findProgram('perl');
  const number = RECVMSG[arch];
  return perl && number !== undefined ? [perl, '-e', PERL, String(number)] : undefined;
}

/** What keeps an ordinary user from mounting this way; undefined: nothing. */
export function helperProblem(): string | undefined {
  const program = fusermount();
  if (!program) return 'the program fusermount3 is missing (package fuse3)';
  if (!(statSync(program).mode & 0o4000)) return `${program} is not set-user-ID root`;
  if (/^NoNewPrivs:\s*1/m.test(readFileSync('/proc/self/status', 'utf8')))
    return `${program} may not become root here (no-new-privileges)`;
  if (!receiver()) return 'neither python3 nor perl is there to receive what fusermount3 opens';
  return mayUseFuse() ? undefined : 'there is no usable /dev/fuse';
}

/**
 * A command that mounts, and becomes `program` with the device in hand.
 * @param path where; looked at before (prepareMountPoint)
 * @param refused what it ends with if fusermount does not mount; its own words stand before ours
 */
export function helperCommand(
  path: string,
  allowOther: boolean,
  program: readonly string[],
  refused: number,
): [string, ...string[]] {
  const [interpreter, ...rest] = receiver() ?? [];
  const mounter = fusermount();
  if (!interpreter || !mounter) throw new Error(helperProblem());
  const options = ['default_permissions', `fsname=${FS_SUBTYPE}`, `subtype=${FS_SUBTYPE}`];
  if (allowOther) options.push('allow_other');
  const words = `ap-sysfs: ${mounter} did not mount on ${path}; its words stand above\n`;
  return [interpreter, ...rest, String(refused), words, options.join(','), path, mounter, ...program];
}

let found: MountedDevice | undefined;

/** What this process was started with, if a helper has mounted for it. */
export function handedOver(): MountedDevice | undefined {
  const text = process.env[VARIABLE];
  if (text !== undefined) {
    // Not for children.
    delete process.env[VARIABLE];
    const at = text.indexOf(':');
    found = { fd: Number(text.slice(0, at)), path: text.slice(at + 1) };
  }
  return found;
}
