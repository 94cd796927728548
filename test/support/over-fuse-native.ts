/**
 * A mounted test once more, over fuse-native.
 *
 * The plain run takes what `auto` takes. Where that is fuse-native, or where
 * fuse-native cannot be loaded, the second run is left out, with the reason.
 */
import t from 'tap';
import { chooseTransport } from '../../fs-tree/transport/choose.js';
import { addonProblem } from '../../fs-tree/transport/fuse-native.js';

/** @param load imports the test: only then is the transport of this process settled */
export async function overFuseNative(load: () => Promise<unknown>): Promise<void> {
  const plain = chooseTransport('auto') === 'fuse-native' && 'the plain run is over fuse-native already';
  const reason = plain || addonProblem();
  if (reason) {
    t.test('over fuse-native', { skip: reason }, () => undefined);
    return;
  }
  process.env.AP_SYSFS_TEST_TRANSPORT = 'fuse-native';
  await load();
}
