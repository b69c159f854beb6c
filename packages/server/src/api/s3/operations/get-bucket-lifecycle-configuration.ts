import { StoreError } from '../../../errors.ts';
import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { lifecycleForm, minimumHeader, writeRules } from '../configurations/lifecycle.ts';
import { compiledOf } from '../lifecycle.ts';
import { s3Document } from '../xml/writer.ts';

export function getBucketLifecycleConfiguration(call: S3Call): void {
  const kept = compiledOf(call)?.lifecycle;
  if (!kept) throw new StoreError('NoSuchLifecycleConfiguration');
  const headers = answerHeaders(call);
  headers.push(minimumHeader, kept.minimum);
  answerXml(call, s3Document(lifecycleForm.root, writeRules(kept.rules)), headers);
}
