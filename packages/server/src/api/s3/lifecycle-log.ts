import { accountOf, canonicalIdOf } from '../../access/index.ts';
import type { BucketRecord } from '../../metadata/index.ts';
import { type LifecycleDone, versionIdText } from '../../objects/index.ts';
import { AccessDelivery, type AccessDeliveryOptions, type AccessTotals } from './access-delivery.ts';
import { LoggedBuckets } from './access-log.ts';
import { accessLine } from './access-record.ts';

/*
 * What lifecycles do, in the access logs of their buckets
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-and-other-bucket-config.html, "S3 Lifecycle and logging").
 */

/** Classes that AWS abbreviates; GLACIER has no suffix. */
const suffixes: Readonly<Record<string, string>> = {
  STANDARD_IA: '_SIA',
  ONEZONE_IA: '_ZIA',
  INTELLIGENT_TIERING: '_INT',
  GLACIER_IR: '_GIR',
  GLACIER: '',
  DEEP_ARCHIVE: '_GDA',
};

/** A class of the operator's own is written out. */
function operationOf({ action, storageClass = '' }: LifecycleDone): string {
  switch (action) {
    case 'mark':
      return 'S3.CREATE.DELETEMARKER';
    case 'remove':
      return 'S3.EXPIRE.OBJECT';
    case 'abort':
      return 'S3.DELETE.UPLOAD';
    case 'transition':
      return `S3.TRANSITION${suffixes[storageClass] ?? `_${storageClass}`}.OBJECT`;
  }
}

export class LifecycleLog {
  readonly #options: AccessDeliveryOptions;
  readonly #delivery: AccessDelivery;
  readonly #buckets: LoggedBuckets;

  constructor(options: AccessDeliveryOptions) {
    this.#options = options;
    this.#delivery = new AccessDelivery(options);
    this.#buckets = new LoggedBuckets(options.objects);
  }

  totals(): AccessTotals {
    return this.#delivery.totals();
  }

  /** Writes the line of what was done, where the bucket is logged. */
  done({ name, owner, versioning }: BucketRecord, done: LifecycleDone): void {
    const logged = this.#buckets.of(name);
    if (!logged) return;
    const { host, region } = this.#options;
    const line = accessLine({
      bucketOwner: canonicalIdOf(accountOf(owner)),
      bucket: name,
      timeMs: host.clock.now(),
      address: undefined,
      cipher: undefined,
      tls: undefined,
      requester: 'AmazonS3',
      requestId: host.entropy.bytes(8).toString('hex').toUpperCase(),
      operation: operationOf(done),
      key: done.key,
      errorCode: undefined,
      bytesSent: 0,
      objectSize: done.size,
      versionId: done.version && versioning !== 'off' ? versionIdText(done.version) : undefined,
      hostId: undefined,
      authentication: undefined,
      hostHeader: undefined,
      region,
    });
    this.#delivery.add(logged.bucket, logged.logging, line);
  }

  /** Delivers what has gathered. */
  flush(): Promise<void> {
    return this.#delivery.flush();
  }

  /** Delivers what is left. */
  close(): Promise<void> {
    return this.#delivery.close();
  }
}
