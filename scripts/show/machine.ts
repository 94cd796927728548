/**
 * The whole machine at a glance.
 */
import { CONTROL } from '../mounts/control.js';
import { duration, paragraph, table, title } from '../output/table.js';
import { colour } from '../output/terminal.js';
import { hex2, idRanges, idsInMask, runName, runs } from './ids.js';
import { insideLines } from './inside.js';
import { drawMatrix, FEW_CARDS } from './matrix.js';
import { cellsOf, type MdevSummary, summarise } from './queues.js';
import type { CardView, GuestView, MachineView } from './read.js';

export function drawMachine(view: MachineView): string {
  const mdevs = summarise(view);
  return [
    headLines(view),
    title('Queues'),
    view.hasBus ? drawMatrix(view, cellsOf(view, mdevs)) : '  this machine has no AP instructions: no AP bus\n',
    ...(view.cards.length > 0 ? [title('Cards'), drawCards(view.cards)] : []),
    title('Mediated devices'),
    drawMdevs(mdevs),
    title('Guests'),
    drawGuests(view, mdevs),
    drawUnreadable(view),
  ].join('');
}

function headLines({ about, mountPoint, bindings, defaultDomain, controlDomains }: MachineView): string {
  const age = about.started ? duration(Date.now() - Date.parse(about.started)) : undefined;
  const first = [
    colour.bold(about.machine ?? 'a machine'),
    ...(about.kernel ? [`kernel ${about.kernel}`] : []),
    `on ${mountPoint}`,
    ...(age ? [`up ${age}`] : []),
  ];
  const second = [
    ...(bindings ? [`bindings ${bindings}`] : []),
    ...(defaultDomain !== undefined && defaultDomain !== '-1' ? [`default domain ${hex2(Number(defaultDomain))}`] : []),
    ...(about.clock ? [`clock ${about.clock}`] : []),
  ];
  const control = ['control domains', ...idRanges(controlDomains ?? []).split(' ')];
  const line = (facts: string[]): string =>
    facts.length > 0
      ? paragraph(
          facts.map((fact, i) => (i < facts.length - 1 ? `${fact} ·` : fact)),
          2,
        )
      : '';
  return line(first) + line(second) + (controlDomains ? paragraph(control, 16) : '');
}

function drawCards(cards: readonly CardView[]): string {
  return table(
    [
      { head: 'card' },
      { head: 'type' },
      { head: 'config' },
      { head: 'online' },
      { head: 'driver', optional: true },
      { head: 'depth', align: 'right', optional: true },
      { head: 'requests', align: 'right', optional: true },
      { head: 'serial' },
    ],
    runs(cards, FEW_CARDS, ({ id, serial, ...rest }) => JSON.stringify(rest)).map((row) => {
      const { first: card, last } = row;
      return [
        runName(row),
        card.type,
        card.checkstopped ? colour.red('chkstop') : yesNo(card.configured),
        card.online === undefined ? '-' : yesNo(card.online),
        card.driver ?? '-',
        String(card.depth),
        String(card.requests),
        [...new Set([card.serial ?? '', last.serial ?? ''])].join(' .. '),
      ];
    }),
  );
}

const yesNo = (on: boolean): string => (on ? colour.green('yes') : colour.yellow('no'));

function drawMdevs(mdevs: readonly MdevSummary[]): string {
  const lines = mdevs.map(({ letter, mdev, guest }) => {
    const name = guest ? colour.bold(colour.cyan(letter)) : colour.cyan(letter);
    const part = (what: string, ids: readonly number[]): string[] => [colour.dim(what), ...idRanges(ids).split(' ')];
    return paragraph(
      [
        `  ${name}  ${mdev.uuid} `,
        ...part('adapters', mdev.assigned.adapters),
        '·',
        ...part('domains', mdev.assigned.domains),
        '·',
        ...part('control', mdev.controlDomains),
      ],
      5,
    );
  });
  return lines.join('') || '  none\n';
}

function drawGuests(view: MachineView, mdevs: readonly MdevSummary[]): string {
  if (view.guests === undefined) return '  not to be seen\n';
  const guests = view.guests.map((guest) => {
    const summary = mdevs.find(({ mdev }) => mdev.uuid === guest.uuid);
    const state = guest.open ? colour.green('running') : colour.yellow('device closed');
    const cpus = `${guest.vcpus} ${guest.vcpus === 1 ? 'vcpu' : 'vcpus'}`;
    const head = paragraph(
      [
        `  ${colour.bold(colour.cyan(summary?.letter ?? '-'))}  ${guest.uuid} `,
        `${state},`,
        cpus,
        ...(guest.name ? [`· ${guest.name}`] : []),
      ],
      5,
    );
    const apcb = guest.apcb ? apcbLines(guest.apcb) : '';
    return head + apcb + insideLines(guest) + (summary && guest.open ? keptLines(summary) : '');
  });
  const kept = mdevs
    .filter(({ guest, filtered, filteredDomains }) => !guest && filtered.length + filteredDomains.length > 0)
    .map((summary) => `  ${colour.cyan(summary.letter)}  no guest now\n${keptLines(summary)}`);
  return [...guests, ...kept].join('') || '  none\n';
}

/** What is not in the picture for want of permission, and how it gets there. */
function drawUnreadable({ unreadable, mountPoint }: MachineView): string {
  if (unreadable.length === 0) return '';
  const files = unreadable.filter((path) => path !== CONTROL);
  const lacks = [
    ...(files.length < unreadable.length ? ['guests, serial numbers, clock and kernel (the control files)'] : []),
    ...(files.length > 0
      ? [files.length > 3 ? `${files[0]} and ${files.length - 1} files more` : files.join(', ')]
      : []),
  ];
  const owner = `${process.getuid?.()}:${process.getgid?.()}`;
  return [
    title('Not shown'),
    paragraph(
      [`  you may not read: ${lacks.join('; ')}`].flatMap((line) => line.split(/(?<=\S) /)),
      2,
    ),
    `  ${colour.cyan(`sudo ap-sysfs show --sys ${mountPoint}`)}    shows all to its owner\n`,
    `  ${colour.cyan(`ap-sysfs mount DIR --owner ${owner}`)}    would make it yours\n`,
  ].join('');
}

function apcbLines({ apm, aqm, adm }: NonNullable<GuestView['apcb']>): string {
  const row = (head: string, mask: string): string => paragraph([head, ...idRanges(idsInMask(mask)).split(' ')], 20);
  return (
    row(`     ${colour.dim('APCB')}  ${colour.dim('adapters')}`, apm) +
    row(`           ${colour.dim('domains')} `, aqm) +
    row(`           ${colour.dim('control')} `, adm)
  );
}

/** What is assigned and yet not the guest's, and why. */
function keptLines({ filtered, filteredDomains }: MdevSummary): string {
  const lines = filtered.map(({ adapter, reason }) => `adapter ${hex2(adapter)}: ${reason}`);
  if (filteredDomains.length > 0) lines.push(`domains ${idRanges(filteredDomains)}: the host has no such domains`);
  return lines.map((line) => colour.magenta(paragraph(['     kept from it:', ...line.split(' ')], 7))).join('');
}
