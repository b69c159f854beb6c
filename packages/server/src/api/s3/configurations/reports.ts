import { invalidArgument } from '../failure.ts';
import { isBucketName } from '../screen.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import { filterOf, type ObjectFilter, writeFilter } from './filter.ts';
import { idOf, type ListedForm } from './listed.ts';
import { oneOf } from './simple.ts';

/*
 * What a bucket shall be watched for: metrics of requests, analysis of storage classes, tiers of access. They are kept and answered; metrics count requests
 * (request-metrics.ts), and docs/s3-compatibility.md says what the others do not.
 */

export interface Report {
  readonly id: string;
  readonly filter: ObjectFilter | undefined;
}

/** The one child of this name, which must be there. */
function needed(parent: XmlElement, name: string): XmlElement {
  const found = childOf(parent, name);
  if (!found) throw malformed(`The element ${parent.name} has a ${name}.`);
  return found;
}

const opened = ({ id, filter }: Report): string => element('Id', id) + writeFilter(filter);

export const metricsForm: ListedForm<Report> = {
  kind: 'metrics',
  root: 'MetricsConfiguration',
  listing: 'ListMetricsConfigurationsResult',
  digest: 'optional',
  parse(document) {
    allowOnly(document, ['Id', 'Filter']);
    needed(document, 'Id');
    return { id: idOf(document), filter: filterOf(document, true) };
  },
  write: opened,
};

interface Export {
  readonly account: string | undefined;
  readonly bucket: string;
  readonly prefix: string | undefined;
}

export interface Analytics extends Report {
  /** Where the results go; undefined: nowhere. */
  readonly export: Export | undefined;
}

const bucketArn = 'arn:aws:s3:::';

function exportOf(analysis: XmlElement): Export | undefined {
  allowOnly(analysis, ['DataExport']);
  const data = childOf(analysis, 'DataExport');
  if (!data) return undefined;
  allowOnly(data, ['OutputSchemaVersion', 'Destination']);
  oneOf(data, 'OutputSchemaVersion', ['V_1']);
  const destination = needed(data, 'Destination');
  allowOnly(destination, ['S3BucketDestination']);
  const target = needed(destination, 'S3BucketDestination');
  allowOnly(target, ['Format', 'BucketAccountId', 'Bucket', 'Prefix']);
  oneOf(target, 'Format', ['CSV']);
  const bucket = textOf(target, 'Bucket')?.trim() ?? '';
  if (!bucket.startsWith(bucketArn) || !isBucketName(bucket.slice(bucketArn.length)))
    throw invalidArgument('Bucket', bucket, 'The destination is the ARN of a bucket: arn:aws:s3:::name.');
  return { account: textOf(target, 'BucketAccountId'), bucket, prefix: textOf(target, 'Prefix') };
}

export const analyticsForm: ListedForm<Analytics> = {
  kind: 'analytics',
  root: 'AnalyticsConfiguration',
  listing: 'ListBucketAnalyticsConfigurationResult',
  digest: 'optional',
  parse(document) {
    allowOnly(document, ['Id', 'Filter', 'StorageClassAnalysis']);
    needed(document, 'Id');
    const analysis = needed(document, 'StorageClassAnalysis');
    return { id: idOf(document), filter: filterOf(document), export: exportOf(analysis) };
  },
  write(value) {
    const { account, bucket, prefix } = value.export ?? {};
    const data =
      value.export &&
      `<DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion><Destination><S3BucketDestination><Format>CSV</Format>${element('BucketAccountId', account)}${element('Bucket', bucket)}${element('Prefix', prefix)}</S3BucketDestination></Destination></DataExport>`;
    return `${opened(value)}<StorageClassAnalysis>${data ?? ''}</StorageClassAnalysis>`;
  },
};

const tiers = ['ARCHIVE_ACCESS', 'DEEP_ARCHIVE_ACCESS'] as const;
/** Days without access before which nothing may go to a tier, and after which it must (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Tiering.html). */
const daysLeast = { ARCHIVE_ACCESS: 90, DEEP_ARCHIVE_ACCESS: 180 } as const;
const daysMost = 730;

interface Tiering {
  readonly days: number;
  readonly tier: (typeof tiers)[number];
}

export interface IntelligentTiering extends Report {
  readonly status: 'Enabled' | 'Disabled';
  readonly tierings: readonly Tiering[];
}

function tieringOf(element: XmlElement): Tiering {
  allowOnly(element, ['Days', 'AccessTier']);
  const tier = oneOf(element, 'AccessTier', tiers);
  const text = textOf(element, 'Days')?.trim() ?? '';
  if (!/^[0-9]{1,9}$/.test(text)) throw malformed('Days is a whole number of days.');
  const days = Number(text);
  if (days < daysLeast[tier] || days > daysMost)
    throw invalidArgument('Days', text, `Days of ${tier} is from ${daysLeast[tier]} to ${daysMost}.`);
  return { days, tier };
}

export const intelligentTieringForm: ListedForm<IntelligentTiering> = {
  kind: 'intelligentTiering',
  root: 'IntelligentTieringConfiguration',
  listing: 'ListBucketIntelligentTieringConfigurationsOutput',
  digest: 'optional',
  parse(document) {
    allowOnly(document, ['Id', 'Filter', 'Status', 'Tiering']);
    needed(document, 'Id');
    const status = oneOf(document, 'Status', ['Enabled', 'Disabled']);
    const tierings = document.children.filter(({ name }) => name === 'Tiering').map(tieringOf);
    if (tierings.length === 0) throw malformed('The element IntelligentTieringConfiguration has a Tiering.');
    const [archive, deep] = tiers.map((tier) => tierings.filter((one) => one.tier === tier));
    if (archive!.length > 1 || deep!.length > 1)
      throw invalidArgument('AccessTier', undefined, 'Each tier is named once.');
    if (archive![0] && deep![0] && archive![0].days >= deep![0].days)
      throw invalidArgument(
        'Days',
        String(deep![0].days),
        'Days of DEEP_ARCHIVE_ACCESS are more than of ARCHIVE_ACCESS.',
      );
    return { id: idOf(document), filter: filterOf(document), status, tierings };
  },
  write: (value) =>
    opened(value) +
    element('Status', value.status) +
    value.tierings
      .map(({ days, tier }) => `<Tiering>${element('Days', days)}${element('AccessTier', tier)}</Tiering>`)
      .join(''),
};
