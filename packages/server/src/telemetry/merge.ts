import { invariant } from '../invariant.ts';
import type { MetricSnapshot, RegistrySnapshot } from './registry.ts';

/** One snapshot out of those of all threads: counters and histograms are summed, gauges by their own rule. Names keep the order of the first. */
export function mergeSnapshots(snapshots: readonly RegistrySnapshot[]): RegistrySnapshot {
  const merged = new Map<string, MetricSnapshot[]>();
  for (const { metrics } of snapshots) {
    for (const metric of metrics) {
      const same = merged.get(metric.name);
      if (same) same.push(metric);
      else merged.set(metric.name, [metric]);
    }
  }
  return { metrics: [...merged.values()].map(mergeMetric) };
}

function mergeMetric(metrics: readonly MetricSnapshot[]): MetricSnapshot {
  const [first] = metrics;
  invariant(first, 'a metric comes from at least one thread');
  const series = new Map<string, { readonly labels: readonly string[]; readonly values: number[] }>();
  for (const metric of metrics) {
    invariant(
      metric.type === first.type && metric.bounds.length === first.bounds.length,
      `metric ${first.name} is alike in every thread`,
    );
    for (const { labels, values } of metric.series) {
      const key = labels.join('\0');
      const sum = series.get(key);
      if (!sum) series.set(key, { labels, values: [...values] });
      else {
        for (const [i, value] of values.entries()) {
          const before = sum.values[i] as number;
          sum.values[i] = first.merge === 'max' ? Math.max(before, value) : before + value;
        }
      }
    }
  }
  return { ...first, series: [...series.values()] };
}
