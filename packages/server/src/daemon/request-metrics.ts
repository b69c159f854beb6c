import type { CountedRequest } from '../api/index.ts';
import type { Registry } from '../telemetry/index.ts';

/** Counts what the metrics configurations of buckets are about. Series beyond `limits.metricSeries` count as `other`. */
export function requestMetrics(registry: Registry): (request: CountedRequest) => void {
  const requests = registry.counter(
    'dsom_bucket_requests_total',
    'Requests that the metrics configurations of buckets are about, by bucket, id of the configuration and kind.',
    ['bucket', 'filter', 'kind'],
  );
  const errors = registry.counter('dsom_bucket_errors_total', 'Those of them that were refused or failed.', [
    'bucket',
    'filter',
    'class',
  ]);
  const bytes = registry.counter('dsom_bucket_bytes_total', 'Bytes of their bodies, and of those of their answers.', [
    'bucket',
    'filter',
    'direction',
  ]);
  return ({ bucket, filter, kind, status, in: incoming, out }) => {
    requests.add(requests.at(bucket, filter, kind));
    if (status >= 400) errors.add(errors.at(bucket, filter, status >= 500 ? '5xx' : '4xx'));
    if (incoming > 0) bytes.add(bytes.at(bucket, filter, 'in'), incoming);
    if (out > 0) bytes.add(bytes.at(bucket, filter, 'out'), out);
  };
}
