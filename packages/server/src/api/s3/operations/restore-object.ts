import { StoreError } from '../../../errors.ts';
import type { S3Call } from '../call.ts';
import { invalidArgument, notImplemented } from '../failure.ts';
import { requireDocument } from '../incoming.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';

const tiers = ['Standard', 'Bulk', 'Expedited'];

function checkTier(parent: XmlElement): void {
  const tier = textOf(parent, 'Tier')?.trim();
  if (tier !== undefined && !tiers.includes(tier)) throw malformed(`Tier is one of ${tiers.join(', ')}.`);
}

function screen(document: XmlElement): void {
  allowOnly(document, [
    'Days',
    'GlacierJobParameters',
    'Tier',
    'Type',
    'Description',
    'SelectParameters',
    'OutputLocation',
  ]);
  if (childOf(document, 'Type') || childOf(document, 'SelectParameters') || childOf(document, 'OutputLocation'))
    throw notImplemented('Selecting from an archive', { Element: 'SelectParameters' });
  const days = textOf(document, 'Days')?.trim();
  if (days === undefined || !/^-?[0-9]{1,10}$/.test(days)) throw malformed('RestoreRequest has Days, a whole number.');
  if (Number(days) < 1) throw invalidArgument('Days', days, "'Days' must be a positive integer");
  checkTier(document);
  const parameters = childOf(document, 'GlacierJobParameters');
  if (!parameters) return;
  allowOnly(parameters, ['Tier']);
  checkTier(parameters);
}

/**
 * A storage class is a way to keep bytes here, whatever its name: each can be read at once, so that there is never anything to restore. That is answered
 * as AWS answers it for an object that is not archived.
 */
export async function restoreObject(call: S3Call): Promise<void> {
  screen(await requireDocument(call, 'RestoreRequest'));
  const { bucket, key } = call;
  const { version } = call.service.objects.look({
    bucket,
    key,
    versionId: call.query.get('versionId'),
  });
  throw new StoreError('InvalidObjectState', {
    message: "Restore is not allowed for the object's current storage class",
    detail: { StorageClass: version.storageClass },
  });
}
