/**
 * Benchmarks of the model inside this process, as a section.
 */
import { type Benchmark, type Measured, measure } from './bench.js';
import { REQUESTS } from './requests.js';
import type { Section } from './section.js';

const us = (n: number): string => n.toFixed(n < 10 ? 2 : 1);

/** Name, figures, limit, comparison with another one. */
function row(measured: Measured, all: readonly Measured[]): string[] {
  const { name, what, least, most, limit, median } = measured;
  const other = all.find((one) => one.name === measured.against);
  const ratio = other ? `${(median / other.median).toFixed(2)} x ${other.name}` : '';
  return [name, what, us(median), `${us(least)}-${us(most)}`, limit === undefined ? '' : `<= ${limit}`, ratio];
}

function section(name: string, what: string, benchmarks: readonly Benchmark[]): Section {
  return {
    name,
    what,
    async run({ runs, say }, only) {
      const parts = only.filter((part) => part !== name);
      const wanted = benchmarks.filter((one) => parts.some((part) => one.name.includes(part)));
      const all: Measured[] = [];
      for (const benchmark of wanted.length > 0 ? wanted : benchmarks) {
        say(benchmark.name);
        all.push(await measure(benchmark, { runs }));
      }
      return {
        title: 'Requests',
        words: 'CPU microseconds of the model for a request: medians, the least and the most of the runs.',
        columns: ['benchmark', 'operation', 'us', 'range', 'target', 'compared with'],
        rows: all.map((measured) => row(measured, all)),
        targets: all.flatMap(({ name, median, limit }) =>
          limit === undefined ? [] : [{ what: `${name}, us of CPU`, value: median, limit }],
        ),
        missing: [],
        charts: [],
      };
    },
  };
}

export const CPU: Section = section('requests', 'CPU of a request: queue, send, answer, receive', REQUESTS);
