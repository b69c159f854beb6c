import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../limits.ts';
import { createRegistry, expose, mergeSnapshots, serverMetrics, threadMetrics } from './index.ts';

test('counters, gauges and histograms in the text format', () => {
  const registry = createRegistry();
  const requests = registry.counter('requests_total', 'Requests.\nTwo lines \\ one slash', ['operation', 'code']);
  requests.add(requests.at('GetObject', '200'), 2);
  requests.add(requests.at('GetObject', '200'));
  requests.add(requests.at('Put"Object\\\n', '500'));
  const gauge = registry.gauge('age', 'Age.');
  gauge.set(gauge.at(), Number.POSITIVE_INFINITY);
  const seconds = registry.histogram('seconds', 'Time.', ['operation'], [0.1, 1, 10]);
  for (const value of [0.05, 0.1, 0.5, 10, 11]) seconds.observe(seconds.at('x'), value);
  registry.counter('never', 'No series yet.', ['a']);
  assert.equal(
    expose(registry.snapshot()),
    `# HELP requests_total Requests.\\nTwo lines \\\\ one slash
# TYPE requests_total counter
requests_total{operation="GetObject",code="200"} 3
requests_total{operation="Put\\"Object\\\\\\n",code="500"} 1
# HELP age Age.
# TYPE age gauge
age +Inf
# HELP seconds Time.
# TYPE seconds histogram
seconds_bucket{operation="x",le="0.1"} 2
seconds_bucket{operation="x",le="1"} 3
seconds_bucket{operation="x",le="10"} 4
seconds_bucket{operation="x",le="+Inf"} 5
seconds_sum{operation="x"} 21.65
seconds_count{operation="x"} 5
`,
  );
});

test('snapshots of threads are plain data and sum up; gauges by their rule', () => {
  const one = createRegistry();
  const two = createRegistry();
  for (const [registry, amount] of [
    [one, 1],
    [two, 10],
  ] as const) {
    const counter = registry.counter('c', 'c', ['l']);
    counter.add(counter.at('both'), amount);
    counter.add(counter.at(amount === 1 ? 'first' : 'second'), amount);
    const position = registry.gauge('p', 'p', [], 'max');
    position.set(position.at(), amount);
    const open = registry.gauge('o', 'o');
    open.set(open.at(), amount);
    const histogram = registry.histogram('h', 'h', [], [1, 5]);
    histogram.observe(histogram.at(), amount);
  }
  const merged = mergeSnapshots([structuredClone(one.snapshot()), structuredClone(two.snapshot())]);
  const values = Object.fromEntries(
    merged.metrics.flatMap((m) => m.series.map((s) => [[m.name, ...s.labels].join('.'), s.values])),
  );
  assert.deepEqual(values, { 'c.both': [11], 'c.first': [1], 'c.second': [10], p: [10], o: [11], h: [1, 0, 1, 11] });
});

test('a histogram counts every value in the bucket of the first bound that is not below it', () => {
  const bounds = [0.5, 1, 2, 4, 8];
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1, max: 20, noNaN: true })), (values) => {
      const registry = createRegistry();
      const histogram = registry.histogram('h', 'h', [], bounds);
      for (const value of values) histogram.observe(histogram.at(), value);
      const counts = registry.snapshot().metrics[0]?.series[0]?.values as number[];
      for (const [i, upper] of [...bounds, Number.POSITIVE_INFINITY].entries()) {
        const lower = bounds[i - 1] ?? Number.NEGATIVE_INFINITY;
        assert.equal(counts[i], values.filter((v) => v <= upper && v > lower).length);
      }
    }),
  );
});

test('series are bounded: what comes beyond counts as other', () => {
  const registry = createRegistry();
  const counter = registry.counter('c', 'c', ['a', 'b']);
  const many = limits.metricSeries * 2;
  for (let i = 0; i < many; i++) counter.add(counter.at(`v${i}`, 'x'));
  const [metric] = registry.snapshot().metrics;
  assert.equal(metric?.series.length, limits.metricSeries);
  assert.equal(
    metric?.series.reduce((sum, s) => sum + (s.values[0] as number), 0),
    many,
  );
  assert.deepEqual(metric?.series.at(-1)?.labels, ['other', 'other']);
});

test('misuse is refused', () => {
  const registry = createRegistry();
  const counter = registry.counter('c', 'c', ['a']);
  assert.throws(() => registry.counter('c', 'again'));
  assert.throws(() => registry.counter('Bad-Name', 'x'));
  assert.throws(() => counter.at());
  assert.throws(() => counter.at('a', 'b'));
  const pair = registry.counter('pair', 'p', ['a', 'b']);
  pair.add(pair.at('a', 'b'));
  assert.throws(() => pair.at('a'), 'a value that begins a series is none');
  assert.throws(() => counter.add(counter.at('a'), -1));
  assert.throws(() => registry.histogram('h', 'h', [], [2, 1]));
});

test('the metrics of a server name requests, latency, bytes, log, devices, cache, garbage and scrub age', () => {
  const worker = createRegistry();
  const thread = threadMetrics(worker, {
    cache: () => ({ hits: 3, misses: 1, bytes: 4096 }),
    stripes: () => ({ missing: 1, damaged: 2, unreadable: 0, repaired: 3, lost: 0, failed: 0, degraded: 4 }),
  });
  thread.started();
  thread.started();
  thread.ended();
  thread.finished({ operation: 'PutObject', status: 200, milliseconds: 3, bytesIn: 100, bytesOut: 0 });
  const main = createRegistry();
  let health = 'good';
  serverMetrics(main, () => ({
    log: { position: 42, bytes: 1000, mirrored: true },
    devices: [{ identity: 'd1', health, totalBytes: 10, freeBytes: 4 }],
    garbage: { rows: 7, fragments: 8, bytes: 9 },
    lifecycle: {
      versions: 7,
      bytes: 8,
      done: { expired: 1, removed: 2, markers: 3, transitioned: 4, aborted: 5 },
      left: { changed: 0, refused: 6, failed: 0 },
      ageSeconds: undefined,
    },
    copies: { mended: 6, waiting: 5, damaged: 3, damagedMetadata: 2, damagedIndexes: 1 },
    recode: { stripes: 7, bytes: 8000, complete: true },
    scrub: { ageSeconds: 60, running: false, bytes: 5 },
    memory: { residentBytes: 2, privateBytes: 1 },
  }));
  const text = (): string =>
    expose(mergeSnapshots([main.snapshot(), worker.snapshot(), structuredClone(worker.snapshot())]));
  for (const line of [
    'dsom_requests_total{operation="PutObject",code="200"} 2',
    'dsom_request_seconds_bucket{operation="PutObject",le="0.004"} 2',
    'dsom_request_bytes_total{direction="in"} 200',
    'dsom_requests_in_flight 2',
    'dsom_cache_reads_total{outcome="hit"} 6',
    'dsom_bad_copies_total{reason="damaged"} 4',
    'dsom_log_position 42',
    'dsom_device_health{device="d1",state="good"} 1',
    'dsom_device_bytes{device="d1",kind="free"} 4',
    'dsom_garbage_rows 7',
    'dsom_collected_bytes_total 9',
    'dsom_scrub_age_seconds 60',
    'dsom_missing_copies 5',
    'dsom_damaged_copies 3',
    'dsom_damaged_metadata_shards 2',
    'dsom_damaged_indexes 1',
    'dsom_mended_copies_total 6',
    'dsom_recoded_stripes_total 7',
    'dsom_recoded_bytes_total 8000',
    'dsom_recode_complete 1',
    'dsom_degraded_stripe_writes_total 8',
  ]) {
    assert.ok(text().includes(`${line}\n`), `${line}\n${text()}`);
  }
  health = 'stopped';
  assert.ok(text().includes('dsom_device_health{device="d1",state="good"} 0\n'));
  assert.ok(text().includes('dsom_device_health{device="d1",state="stopped"} 1\n'));
  assert.match(text(), /^(# (HELP|TYPE) [a-z_]+ .+\n|[a-z_]+(\{[^\n]*\})? (\+Inf|-?\d[\d.e+-]*)\n)+$/);
});
