/** ../file-operations.test.ts, over fuse-native. */
import { overFuseNative } from '../../support/over-fuse-native.js';

await overFuseNative(() => import('../file-operations.test.js'), 'itself');
