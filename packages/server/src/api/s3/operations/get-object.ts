import { archivedError } from '../../../objects/index.ts';
import { step } from '../../http/cohort.ts';
import type { S3Call } from '../call.ts';
import { customerKeyOf } from '../customer-keys.ts';
import { factsOf } from '../facts.ts';
import { overridesOf } from '../object-headers.ts';
import { pushLock, saysLock } from '../object-lock.ts';
import { represent } from '../representation.ts';

export async function getObject(call: S3Call): Promise<void> {
  const replaced = overridesOf(call);
  const { objects } = call.service;
  const pending = objects.read({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
    guard: undefined,
    customerKey: customerKeyOf(call),
  });
  const read = pending instanceof Promise ? await pending : pending;
  if (call.authorization.looked) await call.authorization.requireFor('GetObject', factsOf(call), read.version);
  if (read.archived) throw archivedError(read.version.storageClass);
  const answer = represent(call, read, replaced);
  if (!answer) return;
  const { status, headers, slice } = answer;
  if (saysLock(read.version)) await pushLock(call, headers, read.version);
  await step();
  const length = slice.end - slice.start;
  const body = length === 0 ? undefined : read.immediate(slice);
  await step();
  if (body !== undefined || length === 0) return call.exchange.send(status, headers, body);
  await call.exchange.stream(status, headers, length, read.open(slice), (error) => call.service.broken(call, error));
}
