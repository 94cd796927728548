/**
 * What a description says that cannot be, or that is hardly meant.
 *
 * Looks at how fields fit together; that each has the right form is the
 * schema's matter. Over-provisioned mdevs are allowed, so a queue that is not
 * there is a warning. What only the kernel can tell is left to start.ts.
 */
import { checkAdapters } from './check-adapters.js';
import { checkCommandLine } from './check-command-line.js';
import { checkDevices } from './check-start.js';
import { checkState } from './check-state.js';
import type { MachineDescription } from './description.js';
import { faultProblem } from './fault.js';
import type { Problem } from './problem.js';
import { idText, Problems } from './problems.js';

/** Adapters and domains that kernels look at where QCI does not tell how many there are (spec/ap-bus.md 1). */
const WITHOUT_QCI = { adapter: 63, domain: 15 } as const;

/** All errors and warnings, in the order of the fields. */
export function checkDescription(description: MachineDescription): Problem[] {
  const problems = new Problems();
  const { system = 'lpar', secureExecution, facilities = {}, limits = {}, domains = {} } = description;
  if (secureExecution && system !== 'kvm')
    problems.error(
      ['secureExecution'],
      `only a KVM guest can be a secure-execution guest (system: kvm, not ${system})`,
    );
  checkAdapters(problems, description);
  for (const kind of ['usage', 'control'] as const) {
    problems.above(['domains', kind], 'domain', domains[kind] ?? [], limits.domain ?? 255);
    problems.twice(['domains', kind], domains[kind] ?? []);
  }
  if ((domains.usage ?? []).length === 0 && (description.adapters ?? []).length > 0)
    problems.warning(
      ['domains', 'usage'],
      'there are no usage domains, so no adapter answers and the system sees no card',
    );
  if (facilities.qci === false) checkWithoutQci(problems, description);
  checkCommandLine(problems, description);
  checkState(problems, description);
  checkDevices(problems, description);
  for (const [i, fault] of (description.faults ?? []).entries()) {
    const problem = faultProblem(fault);
    if (problem !== undefined) problems.error(['faults', i], problem);
  }
  return problems.list;
}

function checkWithoutQci(problems: Problems, { adapters = [], domains = {} }: MachineDescription): void {
  const why = (kind: 'adapter' | 'domain'): string =>
    `without QCI kernels look at ${kind}s 0-${WITHOUT_QCI[kind]} only: not at`;
  for (const [i, { id }] of adapters.entries()) {
    const unseen = [id].flat().filter((apid) => apid > WITHOUT_QCI.adapter);
    if (unseen.length > 0) problems.warning(['adapters', i, 'id'], `${why('adapter')} ${idText(unseen)}`);
  }
  const unseen = (domains.usage ?? []).filter((apqi) => apqi > WITHOUT_QCI.domain);
  if (unseen.length > 0) problems.warning(['domains', 'usage'], `${why('domain')} ${idText(unseen)}`);
}
