import type { S3Call } from '../call.ts';
import { overridesOf } from '../object-headers.ts';
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
  const answer = represent(call, pending instanceof Promise ? await pending : pending, replaced);
  if (answer) call.exchange.send(answer.status, answer.headers);
}
