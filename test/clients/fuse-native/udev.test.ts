/** ../udev.test.ts, over fuse-native. */
import { overFuseNative } from '../../support/over-fuse-native.js';

await overFuseNative(() => import('../udev.test.js'), 'command');
