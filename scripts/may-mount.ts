/**
 * What keeps this user from mounting, told before a machine is built.
 */
import type { Host } from './doctor/host.js';
import { namelessUser, othersAllowed } from './doctor/needs.js';
import { MOUNT_EXIT } from './exit-status.js';
import { Failure } from './failure.js';

/** @throws Failure */
export function checkUser(host: Host, { allowOther }: { readonly allowOther: boolean }): void {
  if (host.uid === 0) return;
  const status = MOUNT_EXIT['no-permission'];
  const nameless = namelessUser(host);
  if (nameless)
    throw new Failure(`fusermount mounts for users who have a name, and ${nameless.found}`, {
      status,
      next: nameless.mend,
    });
  if (allowOther && !othersAllowed(host))
    throw new Failure('ordinary users may not let others in on this system', {
      status,
      next: 'mount without --allow-other, or: sudo sh -c "echo user_allow_other >> /etc/fuse.conf"',
    });
}
