import { limits } from '../../../limits.ts';
import type { BucketRecord } from '../../../metadata/index.ts';
import { isoDate } from '../../http/dates.ts';
import { answerXml, type S3Call } from '../call.ts';
import { invalidArgument } from '../failure.ts';
import { ownerElement } from '../listing.ts';
import { element, escapeXml, s3Document } from '../xml/writer.ts';

function maximumOf(call: S3Call): number {
  const text = call.query.get('max-buckets');
  if (text === undefined) return limits.buckets;
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > limits.buckets)
    throw invalidArgument(
      'max-buckets',
      text,
      `Argument max-buckets must be an integer between 1 and ${limits.buckets}.`,
    );
  return value;
}

/** The token is the name to go on with; wrapped, so that nobody builds one by hand. */
function startOf(call: S3Call, prefix: string): string {
  const token = call.query.get('continuation-token');
  if (token === undefined || token === '') return prefix;
  const name = Buffer.from(token, 'base64url').toString('utf8');
  if (name === '' || Buffer.from(name, 'utf8').toString('base64url') !== token)
    throw invalidArgument('continuation-token', token, 'The continuation token provided is incorrect');
  return name < prefix ? prefix : name;
}

/** Buckets from `start` that have the prefix and that the asker may see, and the name at which a next page would begin. */
function* visible(call: S3Call, start: string, prefix: string): Generator<BucketRecord> {
  const { objects } = call.service;
  let from = start;
  while (true) {
    const page = objects.buckets(from, limits.listPage);
    for (const bucket of page.items) {
      if (!bucket.name.startsWith(prefix)) {
        if (bucket.name > prefix) return;
        continue;
      }
      if (call.authorization.sees(bucket)) yield bucket;
    }
    const last = page.items.at(-1);
    if (!page.truncated || !last) return;
    from = `${last.name}\0`;
  }
}

export function listBuckets(call: S3Call): void {
  const prefix = call.query.get('prefix') ?? '';
  const maximum = maximumOf(call);
  const region = call.query.get('bucket-region');
  // AWS names the region of a bucket only to those who ask for a page.
  const paged = ['prefix', 'max-buckets', 'continuation-token', 'bucket-region'].some((name) => call.query.has(name));
  const rows: string[] = [];
  let next: string | undefined;
  if (region === undefined || region === call.service.region) {
    for (const bucket of visible(call, startOf(call, prefix), prefix)) {
      if (rows.length === maximum) {
        next = Buffer.from(bucket.name, 'utf8').toString('base64url');
        break;
      }
      rows.push(
        `<Bucket><Name>${escapeXml(bucket.name)}</Name><CreationDate>${isoDate(bucket.createdMs)}</CreationDate>${paged ? element('BucketRegion', bucket.region) : ''}</Bucket>`,
      );
    }
  }
  const inner = `${ownerElement('Owner', call.owner)}<Buckets>${rows.join('')}</Buckets>${element('ContinuationToken', next)}${element('Prefix', prefix === '' ? undefined : prefix)}`;
  answerXml(call, s3Document('ListAllMyBucketsResult', inner));
}
