/** ../s390-versions.test.ts, over fuse-native. */
import { overFuseNative } from '../../support/over-fuse-native.js';

await overFuseNative(() => import('../s390-versions.test.js'), 'command');
