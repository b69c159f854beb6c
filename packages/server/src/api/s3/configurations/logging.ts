import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import type { ConfigurationForm } from './form.ts';

/* Where the access logs of a bucket go (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html). */

/** How the keys of log objects are made: flat, or below account, region, bucket and day, the day being that of the requests or of the delivery. */
export type KeyFormat = 'simple' | 'EventTime' | 'DeliveryTime';

export interface Logging {
  readonly bucket: string;
  readonly prefix: string;
  /** undefined: the client said nothing, which means `simple` and is answered as nothing. */
  readonly format: KeyFormat | undefined;
}

function formatOf(enabled: XmlElement): KeyFormat | undefined {
  const format = childOf(enabled, 'TargetObjectKeyFormat');
  if (!format) return undefined;
  allowOnly(format, ['SimplePrefix', 'PartitionedPrefix']);
  const [simple, partitioned] = [childOf(format, 'SimplePrefix'), childOf(format, 'PartitionedPrefix')];
  if ((simple === undefined) === (partitioned === undefined))
    throw malformed('A TargetObjectKeyFormat has a SimplePrefix or a PartitionedPrefix.');
  if (simple) {
    allowOnly(simple, []);
    return 'simple';
  }
  allowOnly(partitioned as XmlElement, ['PartitionDateSource']);
  const source = textOf(partitioned as XmlElement, 'PartitionDateSource')?.trim();
  if (source !== undefined && source !== 'EventTime' && source !== 'DeliveryTime')
    throw malformed('PartitionDateSource is EventTime or DeliveryTime.');
  return source ?? 'DeliveryTime';
}

const formatXml = (format: KeyFormat | undefined): string => {
  if (format === undefined) return '';
  const inner =
    format === 'simple'
      ? '<SimplePrefix/>'
      : `<PartitionedPrefix>${element('PartitionDateSource', format)}</PartitionedPrefix>`;
  return `<TargetObjectKeyFormat>${inner}</TargetObjectKeyFormat>`;
};

/** undefined: an empty document, which turns logging off. */
export const loggingForm: ConfigurationForm<Logging | undefined> = {
  kind: 'logging',
  root: 'BucketLoggingStatus',
  digest: 'optional',
  unset: { inner: '' },
  parse(document) {
    allowOnly(document, ['LoggingEnabled']);
    const enabled = childOf(document, 'LoggingEnabled');
    if (!enabled) return undefined;
    allowOnly(enabled, ['TargetBucket', 'TargetPrefix', 'TargetGrants', 'TargetObjectKeyFormat']);
    const bucket = textOf(enabled, 'TargetBucket')?.trim();
    const prefix = textOf(enabled, 'TargetPrefix');
    if (!bucket || prefix === undefined) throw malformed('A LoggingEnabled has a TargetBucket and a TargetPrefix.');
    if (Buffer.byteLength(prefix) > limits.accessLogPrefixBytes)
      throw new StoreError('InvalidArgument', {
        message: `The TargetPrefix has ${limits.accessLogPrefixBytes} bytes at most.`,
        detail: { ArgumentName: 'TargetPrefix', ArgumentValue: prefix.slice(0, 128) },
      });
    // Objects are their bucket's owner's here, as with BucketOwnerEnforced, and then AWS refuses them too.
    if (childOf(enabled, 'TargetGrants')?.children.length)
      throw new StoreError('AccessControlListNotSupported', {
        message: 'TargetGrants need access control lists, which the target bucket does not allow: leave them out.',
      });
    return { bucket, prefix, format: formatOf(enabled) };
  },
  write: (logging) =>
    logging === undefined
      ? ''
      : `<LoggingEnabled>${element('TargetBucket', logging.bucket)}${element('TargetPrefix', logging.prefix)}${formatXml(logging.format)}</LoggingEnabled>`,
};
