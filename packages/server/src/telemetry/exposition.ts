import type { MetricSnapshot, RegistrySnapshot } from './registry.ts';

/** Content type of the text exposition format, https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** A snapshot in the Prometheus text exposition format. */
export function expose(snapshot: RegistrySnapshot): string {
  const lines: string[] = [];
  for (const metric of snapshot.metrics) {
    if (metric.series.length === 0) continue;
    lines.push(`# HELP ${metric.name} ${metric.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
    lines.push(`# TYPE ${metric.name} ${metric.type}`);
    for (const { labels, values } of metric.series) {
      if (metric.type === 'histogram') exposeHistogram(lines, metric, labels, values);
      else lines.push(`${metric.name}${braces(pairs(metric.labels, labels))} ${number(values[0] as number)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Buckets are cumulative on the wire and single in memory. */
function exposeHistogram(
  lines: string[],
  metric: MetricSnapshot,
  labels: readonly string[],
  values: readonly number[],
): void {
  const own = pairs(metric.labels, labels);
  let count = 0;
  for (let bucket = 0; bucket <= metric.bounds.length; bucket++) {
    count += values[bucket] as number;
    const bound = number(metric.bounds[bucket] ?? Number.POSITIVE_INFINITY);
    lines.push(`${metric.name}_bucket${braces([...own, `le="${bound}"`])} ${number(count)}`);
  }
  lines.push(`${metric.name}_sum${braces(own)} ${number(values[metric.bounds.length + 1] as number)}`);
  lines.push(`${metric.name}_count${braces(own)} ${number(count)}`);
}

const pairs = (names: readonly string[], values: readonly string[]): string[] =>
  names.map((name, i) => `${name}="${escapeValue(values[i] ?? '')}"`);

const braces = (labels: readonly string[]): string => (labels.length === 0 ? '' : `{${labels.join(',')}}`);

const escapeValue = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
