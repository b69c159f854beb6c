import { answerEmpty, type S3Call } from '../call.ts';
import { oneOf } from '../configurations/simple.ts';
import { notImplemented } from '../failure.ts';
import { requireDocument } from '../incoming.ts';
import { allowOnly } from '../xml/parser.ts';

/** Turning it off succeeds, as it is off. Turning it on would promise that tags of buckets decide about access; that is refused by name. */
export async function putBucketAbac(call: S3Call): Promise<void> {
  const document = await requireDocument(call, 'AbacStatus');
  allowOnly(document, ['Status']);
  const status = oneOf(document, 'Status', ['Enabled', 'Disabled']);
  call.service.objects.bucket(call.bucket);
  if (status === 'Enabled') throw notImplemented('Access control by tags of buckets', { Element: 'Status' });
  answerEmpty(call, 200);
}
