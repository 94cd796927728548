/**
 * The table of messages against the system's own header, as its C compiler
 * reads it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { from, Message } from '../../fs-tree/transport/dev-fuse/message.js';
import * as protocol from '../../fs-tree/transport/dev-fuse/protocol.js';

const HEADER = '/usr/include/linux/fuse.h';

/** Names that older headers do not have; their places are compared by way of the sizes. */
const NEWER =
  /^(total_extlen|padding|spare|unused\d?|dummy|backing_id|max_stack_depth|request_timeout|flags2|open_flags)$/;

/** What C calls a field that has another name here. */
const STRUCTS = Object.entries(protocol).filter(([name]) => /^fuse_/.test(name)) as [
  string,
  { size: number; at: Record<string, number> },
][];

const whyNot = (): string | false => {
  if (!existsSync(HEADER)) return `no ${HEADER}`;
  return spawnSync('cc', ['--version']).status === 0 ? false : 'no C compiler';
};

t.test('every message is laid out as in the kernel’s header', { skip: whyNot() }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ap-sysfs-fuse-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // Without FUSE_SETXATTR_EXT the message is shorter than its struct.
  const size = (name: string): string =>
    name === 'fuse_setxattr_in'
      ? 'FUSE_COMPAT_SETXATTR_IN_SIZE'
      : name === 'fuse_init_in'
        ? '16'
        : `sizeof(struct ${name})`;
  const lines = STRUCTS.flatMap(([name, { at }]) => [
    `printf("${name} %zu\\n", (size_t)${size(name)});`,
    ...Object.keys(at)
      .filter((field) => !NEWER.test(field))
      .map((field) => `printf("${name}.${field} %zu\\n", offsetof(struct ${name}, ${field}));`),
  ]);
  const source = join(folder, 'layout.c');
  writeFileSync(
    source,
    `#include <stddef.h>\n#include <stdio.h>\n#include <linux/fuse.h>\nint main(void) {\n${lines.join('\n')}\n}\n`,
  );
  const program = join(folder, 'layout');
  const compiled = spawnSync('cc', ['-o', program, source]);
  t.equal(compiled.status, 0, String(compiled.stderr));
  const found = String(spawnSync(program).stdout).trim().split('\n');
  const ours = STRUCTS.flatMap(([name, { size: bytes, at }]) => [
    `${name} ${bytes}`,
    ...Object.entries(at)
      .filter(([field]) => !NEWER.test(field))
      .map(([field, offset]) => `${name}.${field} ${offset}`),
  ]);
  t.ok(ours.length > 150);
  t.same(found, ours);
});

t.test('numbers of 64 bits', async (t) => {
  const message = new Message(16);
  const at = from(8, protocol.fuse_forget_in.at.nlookup);
  for (const value of [0, 1, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER]) {
    message.setU64(at, value);
    t.equal(message.u64(at), value);
  }
  for (const value of [-1, -0x8000_0000, -0x1_0000_0001]) {
    message.setU64(at, value);
    t.equal(message.i64(at), value);
  }
});
