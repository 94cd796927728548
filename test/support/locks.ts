/**
 * What was locked, as nested sections: `guests(kvm(mdevs))`.
 */
const SHORT: Readonly<Record<string, string>> = {
  ap_attr_mutex: 'mask',
  ap_perms_mutex: 'mask',
  guests_lock: 'guests',
  'kvm->lock': 'kvm',
  pqap_hook_rwsem: 'hook',
  mdevs_lock: 'mdevs',
};

/** Of `+lock` and `-lock` in order; a release that is not that of the innermost lock shows as `!lock`. */
export function nestedLocks(steps: readonly string[]): string {
  const open: string[] = [];
  let text = '';
  for (const step of steps) {
    const name = SHORT[step.slice(1)] ?? step.slice(1);
    if (step.startsWith('+')) {
      text += `${/[\w)]$/.test(text) ? ' ' : ''}${name}(`;
      open.push(name);
    } else text += open.pop() === name ? ')' : `!${name})`;
  }
  return text.replaceAll('()', '');
}
