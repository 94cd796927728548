/** ../life-of-a-mount.test.ts, over fuse-native. */
import { overFuseNative } from '../../support/over-fuse-native.js';

await overFuseNative(() => import('../life-of-a-mount.test.js'), 'itself');
