import { StoreError } from '../../errors.ts';
import type { ObjectVersion } from '../../metadata/index.ts';
import { abortionOf, type CompiledLifecycle, compileLifecycle, expirationOf } from '../../objects/index.ts';
import { httpDate } from '../http/dates.ts';
import type { HeaderList } from '../http/exchange.ts';
import type { S3Call } from './call.ts';
import { ParsedConfigurations } from './configurations/form.ts';
import { lifecycleForm } from './configurations/lifecycle.ts';
import { encodeUrl } from './xml/writer.ts';

/* What answers say of the lifecycle of a bucket: when an object expires, when an upload is aborted, and by which rule. */

const parsed = new ParsedConfigurations<CompiledLifecycle>({
  parse: (document) => compileLifecycle(lifecycleForm.parse(document)),
});

/** The rules of a document that was kept for a bucket. */
export const compiledLifecycle = (bucket: string, document: Buffer): CompiledLifecycle => parsed.of(bucket, document);

/** Undefined where a bucket has none. @throws StoreError NoSuchBucket */
export function compiledOf(call: S3Call): CompiledLifecycle | undefined {
  const bytes = call.service.objects.configuration(call.bucket, lifecycleForm.kind);
  return bytes && compiledLifecycle(call.bucket, bytes);
}

/** The same for answers that only mention it: rules that a later version has written must not make a read fail. */
function mentionedOf(call: S3Call): CompiledLifecycle | undefined {
  try {
    return compiledOf(call);
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/** An ID may have any characters; a header may not. */
const idText = (id: string): string => encodeUrl(Buffer.from(id, 'utf8'));

/** `x-amz-expiration`, where a rule expires the newest version of a key, which this one must be. */
export function pushExpiration(headers: HeaderList, call: S3Call, version: ObjectVersion): void {
  const due = mentionedOf(call)?.at(call.key);
  const first = due && expirationOf(due, version, call.service.lifecycleDayMs);
  if (first)
    headers.push('x-amz-expiration', `expiry-date="${httpDate(first.dueMs)}", rule-id="${idText(first.rule.id)}"`);
}

/** The same for a read that may be of any version: noncurrent ones do not expire by age. */
export function pushReadExpiration(headers: HeaderList, call: S3Call, version: ObjectVersion): void {
  if (mentionedOf(call) === undefined) return;
  if (call.query.has('versionId') && !isNewest(call, version)) return;
  pushExpiration(headers, call, version);
}

function isNewest(call: S3Call, version: ObjectVersion): boolean {
  const { bucket, key } = call;
  try {
    const newest = call.service.objects.look({ bucket, key, versionId: undefined });
    return newest.version.sequence === version.sequence;
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}

/** `x-amz-abort-date` and `x-amz-abort-rule-id`, where a rule aborts uploads of the key. */
export function pushAbortion(headers: HeaderList, call: S3Call, initiatedMs: number): void {
  const due = mentionedOf(call)?.at(call.key);
  const first = due && abortionOf(due, initiatedMs, call.service.lifecycleDayMs);
  if (first) headers.push('x-amz-abort-date', httpDate(first.dueMs), 'x-amz-abort-rule-id', idText(first.rule.id));
}
