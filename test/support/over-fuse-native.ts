/**
 * A mounted test once more, over fuse-native.
 *
 * The plain run takes what `auto` takes. Where that is fuse-native, or where
 * fuse-native cannot be loaded, the second run is left out, with the reason.
 * npm run test:fuse-native runs the plain tests themselves over it, all of them.
 */
import t from 'tap';
import { chooseTransport } from '../../fs-tree/transport/choose.js';
import { addonProblem } from '../../fs-tree/transport/fuse-native.js';

/**
 * @param load imports the test: only then is the transport of this process settled
 * @param who mounts: this process, or the command, which has other ways to dev-fuse for ordinary users
 */
export async function overFuseNative(load: () => Promise<unknown>, who: 'itself' | 'command'): Promise<void> {
  const plain = who === 'itself' && chooseTransport('auto') === 'fuse-native';
  const reason = (plain && 'the plain run is over fuse-native already') || addonProblem();
  if (reason) {
    t.test('over fuse-native', { skip: reason }, () => undefined);
    return;
  }
  process.env.AP_SYSFS_TEST_TRANSPORT = 'fuse-native';
  await load();
}
