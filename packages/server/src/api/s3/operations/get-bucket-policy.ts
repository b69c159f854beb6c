import { StoreError } from '../../../errors.ts';
import { answerHeaders, type S3Call } from '../call.ts';
import { requireOwnAccount } from '../policy.ts';

export function getBucketPolicy(call: S3Call): void {
  requireOwnAccount(call);
  const bytes = call.service.objects.configuration(call.bucket, 'policy');
  if (!bytes) throw new StoreError('NoSuchBucketPolicy');
  const headers = answerHeaders(call);
  headers.push('Content-Type', 'application/json', 'Content-Length', String(bytes.length));
  call.exchange.send(200, headers, bytes);
}
