import { step } from '../../http/cohort.ts';
import { header, type S3Call } from '../call.ts';
import { customerKeyOf } from '../customer-keys.ts';
import { factsOf } from '../facts.ts';
import { overridesOf } from '../object-headers.ts';
import { pushLock, saysLock } from '../object-lock.ts';
import { represent } from '../representation.ts';

export async function headObject(call: S3Call): Promise<void> {
  const replaced = overridesOf(call);
  const pending = call.service.objects.read({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
    guard: undefined,
    customerKey: customerKeyOf(call),
    withoutBytes: header(call, 'x-amz-checksum-mode')?.toUpperCase() !== 'ENABLED',
  });
  const read = pending instanceof Promise ? await pending : pending;
  if (call.authorization.looked) await call.authorization.requireFor('HeadObject', factsOf(call), read.version);
  const answer = represent(call, read, replaced);
  if (!answer) return;
  if (saysLock(read.version)) await pushLock(call, answer.headers, read.version);
  await step();
  call.exchange.send(answer.status, answer.headers);
}
