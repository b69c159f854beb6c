import type { S3Call } from '../call.ts';
import { overridesOf } from '../object-headers.ts';
import { pushLock, saysLock } from '../object-lock.ts';
import { represent } from '../representation.ts';
import { screenRead } from '../screen.ts';

export async function headObject(call: S3Call): Promise<void> {
  screenRead(call.headers);
  const replaced = overridesOf(call);
  const pending = call.service.objects.read({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
    guard: undefined,
  });
  const read = pending instanceof Promise ? await pending : pending;
  const answer = represent(call, read, replaced);
  if (!answer) return;
  if (saysLock(read.version)) await pushLock(call, answer.headers, read.version);
  call.exchange.send(answer.status, answer.headers);
}
