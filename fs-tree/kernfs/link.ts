/**
 * The text of a symbolic link.
 *
 * Mirrors fs/kernfs/symlink.c `kernfs_get_target_path`: relative, up from the
 * directory that holds the link to the nearest directory that is a proper
 * ancestor of the target, then down to the target.
 */

/** Path components: `/a//b/` is [a, b]. */
function components(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

/**
 * What readlink says.
 * @param directory path of the directory that holds the link, below the root of the tree
 * @param target path that the link points to, below the same root
 */
export function linkText(directory: string, target: string): string {
  const from = components(directory);
  const to = components(target);
  let common = 0;
  while (common < from.length && common < to.length - 1 && from[common] === to[common]) common++;
  const up = from.slice(common).map(() => '..');
  return [...up, ...to.slice(common)].join('/');
}
