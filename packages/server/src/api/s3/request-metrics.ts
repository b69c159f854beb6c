import type { Target } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { ObjectService, Tags } from '../../objects/index.ts';
import type { Exchange } from '../http/exchange.ts';
import { bucketNamed } from './bucket-rules.ts';
import type { ObjectFilter } from './configurations/filter.ts';
import { ReadConfigurations } from './configurations/form.ts';
import { metricsForm, type Report } from './configurations/reports.ts';
import { parseXml } from './xml/parser.ts';

/*
 * Requests by the metrics configurations of their bucket, as the request metrics of CloudWatch count them
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html). A bucket without one costs one look-up. Tags are those that the object had before the
 * request, or where there was none, those that it has after it.
 */

export type RequestKind = 'get' | 'head' | 'put' | 'post' | 'delete' | 'list' | 'select' | 'other';

/** A request that one configuration is about. Sizes of bodies in bytes. */
export interface CountedRequest {
  readonly bucket: string;
  /** Id of the configuration. */
  readonly filter: string;
  readonly kind: RequestKind;
  readonly status: number;
  readonly in: number;
  readonly out: number;
}

const byOperation: ReadonlyMap<string, RequestKind> = new Map([
  ['ListObjects', 'list'],
  ['ListObjectsV2', 'list'],
  ['ListObjectVersions', 'list'],
  ['SelectObjectContent', 'select'],
]);
const byMethod: ReadonlyMap<string | undefined, RequestKind> = new Map([
  ['GET', 'get'],
  ['HEAD', 'head'],
  ['PUT', 'put'],
  ['POST', 'post'],
  ['DELETE', 'delete'],
]);

/** What a later version has written, and this one cannot read, counts nothing. */
function reportsOf(bytes: Buffer): readonly Report[] {
  try {
    return parseXml(bytes).children.map(metricsForm.parse);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return [];
  }
}

/** Whether a filter may mean this object; one without a filter means every request of the bucket. */
const meansKey = (filter: ObjectFilter | undefined, key: string): boolean =>
  !filter || (key !== '' && key.startsWith(filter.prefix ?? ''));

const hasTags = (tags: Tags, wanted: Tags): boolean =>
  wanted.every(([key, value]) => tags.some((tag) => tag[0] === key && tag[1] === value));

interface Note {
  readonly bucket: string;
  readonly target: Target;
  readonly reports: readonly Report[];
  readonly tags: Tags | undefined;
}

export class RequestMetrics {
  readonly #objects: ObjectService;
  readonly #count: (request: CountedRequest) => void;
  readonly #kept = new ReadConfigurations(reportsOf, limits.parsedConfigurations);
  readonly #noted = new WeakMap<Exchange, Note>();

  constructor(objects: ObjectService, count: (request: CountedRequest) => void) {
    this.#objects = objects;
    this.#count = count;
  }

  /** Notes a request, before anything of it is refused. */
  begin(exchange: Exchange, target: Target): void {
    const { bucket } = target;
    if (bucket === undefined || !bucketNamed(this.#objects, bucket)) return;
    const document = this.#objects.configuration(bucket, 'metrics');
    if (!document) return;
    const key = target.key.toString('utf8');
    const reports = this.#kept.of(bucket, document).filter(({ filter }) => meansKey(filter, key));
    if (reports.length === 0) return;
    const byTags = reports.some(({ filter }) => filter && filter.tags.length > 0);
    this.#noted.set(exchange, { bucket, target, reports, tags: byTags ? this.#tagsOf(bucket, target) : undefined });
  }

  ended(exchange: Exchange, answer: Pick<CountedRequest, 'status' | 'in' | 'out'>): void {
    const note = this.#noted.get(exchange);
    if (!note) return;
    const { bucket, target, reports } = note;
    const kind = byOperation.get(exchange.operation) ?? byMethod.get(exchange.request.method) ?? 'other';
    let { tags } = note;
    for (const { id, filter } of reports) {
      if (filter && filter.tags.length > 0) {
        tags ??= this.#tagsOf(bucket, target) ?? [];
        if (!hasTags(tags, filter.tags)) continue;
      }
      this.#count({ bucket, filter: id, kind, ...answer });
    }
  }

  /** undefined: there is no such object, or it cannot be told; counting stands in nobody's way. */
  #tagsOf(bucket: string, { key, query }: Target): Tags | undefined {
    try {
      return this.#objects.look({ bucket, key, versionId: query.get('versionId') }).version.tags;
    } catch {
      return undefined;
    }
  }
}
