import { StoreError } from '../../errors.ts';
import type { DefaultRetention, ObjectVersion, Retention } from '../../metadata/index.ts';
import type { Lock } from '../../objects/index.ts';
import { parseDate } from '../http/dates.ts';
import type { HeaderList } from '../http/exchange.ts';
import { header, type S3Call } from './call.ts';
import { announcedDigests } from './checksums.ts';
import { factsOf } from './facts.ts';
import { invalidArgument } from './failure.ts';
import { saysBypass } from './permissions.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from './xml/parser.ts';
import { element } from './xml/writer.ts';

/* Object lock as S3 says it, in headers and documents (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html). */

const modeHeader = 'x-amz-object-lock-mode';
const untilHeader = 'x-amz-object-lock-retain-until-date';
const holdHeader = 'x-amz-object-lock-legal-hold';

type Mode = Retention['mode'];
const modeOf = (text: string | undefined): Mode | undefined =>
  text === 'GOVERNANCE' || text === 'COMPLIANCE' ? text : undefined;

/** A date of ISO 8601 to the millisecond, or any other that S3 takes; undefined when it is none. */
function instantOf(text: string): number | undefined {
  const seconds = parseDate(text);
  const fraction = /\.(\d{1,3})\d*Z$/.exec(text)?.[1];
  return seconds === undefined ? undefined : seconds + Number((fraction ?? '').padEnd(3, '0'));
}

/** What the headers of a write say of the lock of its object. @throws StoreError InvalidArgument */
export function lockOfHeaders(call: S3Call): Lock {
  const mode = header(call, modeHeader);
  const until = header(call, untilHeader);
  const hold = header(call, holdHeader);
  if (mode === undefined && until === undefined && hold === undefined) return {};
  if ((mode === undefined) !== (until === undefined))
    throw invalidArgument(
      mode === undefined ? modeHeader : untilHeader,
      undefined,
      `${untilHeader} and ${modeHeader} must both be supplied`,
    );
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF')
    throw invalidArgument(holdHeader, hold, "Legal Hold must be either of 'ON' or 'OFF'");
  const legalHold = hold === undefined ? {} : { legalHold: hold === 'ON' };
  if (mode === undefined || until === undefined) return legalHold;
  const known = modeOf(mode);
  if (known === undefined) throw invalidArgument(modeHeader, mode, 'Unknown wormMode directive.');
  const untilMs = instantOf(until);
  if (untilMs === undefined)
    throw invalidArgument(untilHeader, until, 'The retain until date must be provided in ISO 8601 format');
  return { ...legalHold, retention: { mode: known, untilMs } };
}

/**
 * AWS wants what is locked to have come whole. It asks for a digest also where only the bucket says so, by default; then it is not asked for here, since
 * clients that never heard of locks write into such buckets too.
 * @param lock what an object, or the upload of a part, says itself
 * @throws StoreError InvalidRequest without a digest of the body
 */
export function screenLocked(call: S3Call, lock: Lock, what: 'Object' | 'Part'): void {
  if (!lock.retention && lock.legalHold === undefined) return;
  const { md5, checksum } = announcedDigests(call);
  if (md5 || checksum) return;
  throw new StoreError('InvalidRequest', {
    message: `Content-MD5 OR x-amz-checksum- HTTP header is required for Put ${what} requests with Object Lock parameters`,
  });
}

/** The same for a part; where the bucket does not lock, its upload is not looked at. */
export function screenLockedPart(call: S3Call, uploadId: string): void {
  const { objects } = call.service;
  if (objects.configuration(call.bucket, 'objectLock'))
    screenLocked(call, objects.upload(call.bucket, call.key, uploadId), 'Part');
}

const untilText = (ms: number): string => new Date(ms).toISOString();

export const saysLock = ({ retention, legalHold }: Lock): boolean => retention !== undefined || legalHold !== undefined;

/** What a version is locked by, in the answer to a read of it: to who may ask for it. Nothing is asked where there is no lock. */
export async function pushLock(
  call: S3Call,
  headers: HeaderList,
  { retention, legalHold }: ObjectVersion,
): Promise<void> {
  const may = (operation: 'GetObjectRetention' | 'GetObjectLegalHold') =>
    call.authorization.allows(operation, factsOf(call));
  if (retention && (await may('GetObjectRetention')))
    headers.push(modeHeader, retention.mode, untilHeader, untilText(retention.untilMs));
  if (legalHold !== undefined && (await may('GetObjectLegalHold'))) headers.push(holdHeader, legalHold ? 'ON' : 'OFF');
}

/** Whether governance is to give way; who may not say so has been refused already (permissions.ts). */
export const bypassesGovernance = (call: S3Call): boolean => saysBypass((name) => header(call, name));

/** @throws StoreError InvalidRequest where the bucket does not lock */
export function requireLocking(call: S3Call): void {
  if (call.service.objects.configuration(call.bucket, 'objectLock')) return;
  throw new StoreError('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' });
}

/** The version that a request asks the lock of. @throws StoreError InvalidRequest where the bucket does not lock */
export function lockableVersion(call: S3Call): ObjectVersion {
  const { bucket, key, query } = call;
  const { version } = call.service.objects.look({ bucket, key, versionId: query.get('versionId') });
  requireLocking(call);
  return version;
}

/** A Retention document; null: an empty one, which takes the retention away. @throws StoreError MalformedXML */
export function retentionOfDocument(document: XmlElement): Retention | null {
  allowOnly(document, ['Mode', 'RetainUntilDate']);
  if (document.children.length === 0) return null;
  const mode = modeOf(textOf(document, 'Mode')?.trim());
  const untilMs = instantOf(textOf(document, 'RetainUntilDate')?.trim() ?? '');
  if (mode === undefined || untilMs === undefined)
    throw malformed('A Retention has a Mode, GOVERNANCE or COMPLIANCE, and a RetainUntilDate.');
  return { mode, untilMs };
}

export const retentionXml = ({ mode, untilMs }: Retention): string =>
  element('Mode', mode) + element('RetainUntilDate', untilText(untilMs));

/** @throws StoreError MalformedXML */
export function legalHoldOfDocument(document: XmlElement): boolean {
  allowOnly(document, ['Status']);
  const status = textOf(document, 'Status')?.trim();
  if (status === 'ON' || status === 'OFF') return status === 'ON';
  throw malformed('The Status of a LegalHold is ON or OFF.');
}

function countOf(parent: XmlElement, name: string): number | undefined {
  const text = textOf(parent, name)?.trim();
  if (text === undefined) return undefined;
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
  throw malformed(`${name} is a whole number.`);
}

/** An ObjectLockConfiguration document. @throws StoreError MalformedXML */
export function defaultRetentionOfDocument(document: XmlElement): DefaultRetention | undefined {
  allowOnly(document, ['ObjectLockEnabled', 'Rule']);
  if (textOf(document, 'ObjectLockEnabled')?.trim() !== 'Enabled')
    throw malformed('ObjectLockEnabled is Enabled: a bucket that locks, locks for good.');
  const rule = childOf(document, 'Rule');
  if (!rule) return undefined;
  allowOnly(rule, ['DefaultRetention']);
  const retention = childOf(rule, 'DefaultRetention');
  if (!retention) throw malformed('A Rule has a DefaultRetention.');
  allowOnly(retention, ['Mode', 'Days', 'Years']);
  const mode = modeOf(textOf(retention, 'Mode')?.trim());
  const days = countOf(retention, 'Days');
  const years = countOf(retention, 'Years');
  if (mode === undefined || (days === undefined) === (years === undefined))
    throw malformed('A DefaultRetention has a Mode, GOVERNANCE or COMPLIANCE, and either Days or Years.');
  return { mode, unit: days === undefined ? 'years' : 'days', count: (days ?? years) as number };
}

export function lockConfigurationXml(byDefaultRetention: DefaultRetention | undefined): string {
  const enabled = element('ObjectLockEnabled', 'Enabled');
  if (!byDefaultRetention) return enabled;
  const { mode, unit, count } = byDefaultRetention;
  const period = element(unit === 'days' ? 'Days' : 'Years', count);
  return `${enabled}<Rule><DefaultRetention>${element('Mode', mode)}${period}</DefaultRetention></Rule>`;
}
