/** ../command.test.ts, over fuse-native. */
import { overFuseNative } from '../../support/over-fuse-native.js';

await overFuseNative(() => import('../command.test.js'), 'itself');
