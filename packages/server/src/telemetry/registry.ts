import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';

/*
 * Metrics of one thread. Values lie in typed arrays and a series is a number, so that counting costs one look-up and one addition, and nothing
 * is allocated per request. Each thread's registry becomes plain data, which the thread that answers /-/metrics sums (merge.ts) and writes out
 * (exposition.ts). A metrics library was not taken: those that exist keep objects per series and merge threads over their own channel.
 *
 * The number of series of a metric is bounded: what comes beyond counts under the label value `other`.
 */

type MetricType = 'counter' | 'gauge' | 'histogram';

/** How the values of one series from several threads become one. */
type MergeRule = 'sum' | 'max';

/** One metric of one registry as plain data. `values` of a series: one number, or for a histogram one count per bucket and then the sum. */
export interface MetricSnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly merge: MergeRule;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, without the last (infinite) one. */
  readonly bounds: readonly number[];
  readonly series: readonly { readonly labels: readonly string[]; readonly values: readonly number[] }[];
}

export interface RegistrySnapshot {
  readonly metrics: readonly MetricSnapshot[];
}

/** The series of some label values; look it up once where it is constant. */
interface Labelled {
  at(first?: string, second?: string, third?: string): number;
}

/** Only grows. */
interface Counter extends Labelled {
  add(series: number, amount?: number): void;
  /** Takes over a total that something else counts. */
  mirror(series: number, total: number): void;
}

interface Gauge extends Labelled {
  set(series: number, value: number): void;
  add(series: number, amount: number): void;
  /** Forgets all series: for gauges whose labels come and go. */
  clear(): void;
}

interface Histogram extends Labelled {
  observe(series: number, value: number): void;
}

export interface Registry {
  counter(name: string, help: string, labels?: readonly string[]): Counter;
  gauge(name: string, help: string, labels?: readonly string[], merge?: MergeRule): Gauge;
  /** @param bounds upper bounds of the buckets, ascending */
  histogram(name: string, help: string, labels: readonly string[], bounds: readonly number[]): Histogram;
  /** Called before every snapshot: brings gauges and mirrored counters up to date. */
  refresh(update: () => void): void;
  snapshot(): RegistrySnapshot;
}

const otherValue = 'other';

/** Series by label values, one label after the other. */
interface Branch extends Map<string, Branch | number> {}

/** One metric: `width` numbers per series in one growing array. */
class Metric {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly merge: MergeRule;
  readonly labels: readonly string[];
  readonly bounds: readonly number[];
  readonly #width: number;
  #values: Float64Array;
  #names: string[][] = [];
  #index: Branch = new Map();

  constructor(
    type: MetricType,
    name: string,
    help: string,
    labels: readonly string[],
    bounds: readonly number[],
    merge: MergeRule,
  ) {
    invariant(/^[a-z_:][a-z0-9_:]*$/.test(name), 'a metric is named in lower case, digits and underscores');
    invariant(labels.length <= 3, 'a metric has at most three labels');
    for (const label of labels) invariant(/^[a-z_][a-z0-9_]*$/.test(label), 'a label is named like a metric');
    this.type = type;
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.bounds = bounds;
    this.merge = merge;
    this.#width = type === 'histogram' ? bounds.length + 2 : 1;
    this.#values = new Float64Array(this.#width * 8);
    if (labels.length === 0) this.at();
  }

  /** No text is put together for it: that would have to be hashed for every request. */
  at(first?: string, second?: string, third?: string): number {
    let found = this.#index.get(first ?? '');
    if (second !== undefined) found = (found as Branch | undefined)?.get(second);
    if (third !== undefined) found = (found as Branch | undefined)?.get(third);
    return typeof found === 'number' ? found : this.#open(first, second, third);
  }

  #open(first?: string, second?: string, third?: string): number {
    const given = [first, second, third].filter((value) => value !== undefined);
    invariant(given.length === this.labels.length, `metric ${this.name} has ${this.labels.length} labels`);
    const series = this.#names.length;
    if (series >= limits.metricSeries - 1 && given[0] !== otherValue) {
      return this.at(...(this.labels.map(() => otherValue) as [string?, string?, string?]));
    }
    if ((series + 1) * this.#width > this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#names.push(given);
    const last = given.length === 0 ? '' : (given.at(-1) as string);
    let branch = this.#index;
    for (const value of given.slice(0, -1)) {
      let next = branch.get(value) as Branch | undefined;
      if (!next) branch.set(value, (next = new Map()));
      branch = next;
    }
    branch.set(last, series);
    return series;
  }

  add(series: number, amount = 1): void {
    invariant(amount >= 0 || this.type === 'gauge', 'a counter only grows');
    this.#values[series] = (this.#values[series] as number) + amount;
  }

  set(series: number, value: number): void {
    this.#values[series] = value;
  }

  mirror(series: number, total: number): void {
    this.#values[series] = total;
  }

  observe(series: number, value: number): void {
    const at = series * this.#width;
    let low = 0;
    let high = this.bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= (this.bounds[middle] as number)) high = middle;
      else low = middle + 1;
    }
    this.#values[at + low] = (this.#values[at + low] as number) + 1;
    const sum = at + this.bounds.length + 1;
    this.#values[sum] = (this.#values[sum] as number) + value;
  }

  clear(): void {
    this.#names = [];
    this.#index = new Map();
    this.#values.fill(0);
    if (this.labels.length === 0) this.at();
  }

  snapshot(): MetricSnapshot {
    const { name, help, type, merge, labels, bounds } = this;
    const series = this.#names.map((values, index) => ({
      labels: [...values],
      values: [...this.#values.subarray(index * this.#width, (index + 1) * this.#width)],
    }));
    return { name, help, type, merge, labels, bounds, series };
  }
}

/** An empty registry for this thread. Registering a name twice is a programmer's error. */
export function createRegistry(): Registry {
  const metrics = new Map<string, Metric>();
  const updates: (() => void)[] = [];
  const register = (metric: Metric): Metric => {
    invariant(!metrics.has(metric.name), `metric ${metric.name} is registered once`);
    metrics.set(metric.name, metric);
    return metric;
  };
  return {
    counter: (name, help, labels = []) => register(new Metric('counter', name, help, labels, [], 'sum')),
    gauge: (name, help, labels = [], merge = 'sum') => register(new Metric('gauge', name, help, labels, [], merge)),
    histogram(name, help, labels, bounds) {
      invariant(
        bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] as number)),
        'the bounds of a histogram ascend',
      );
      return register(new Metric('histogram', name, help, labels, bounds, 'sum'));
    },
    refresh: (update) => void updates.push(update),
    snapshot() {
      for (const update of updates) update();
      return { metrics: [...metrics.values()].map((metric) => metric.snapshot()) };
    },
  };
}
