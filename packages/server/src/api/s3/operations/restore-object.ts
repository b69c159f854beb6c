import { limits } from '../../../limits.ts';
import type { RestoreTier } from '../../../metadata/index.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { invalidArgument, notImplemented } from '../failure.ts';
import { requireDocument } from '../incoming.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';

const tiers = ['Standard', 'Bulk', 'Expedited'] as const satisfies readonly RestoreTier[];

function tierOf(parent: XmlElement): RestoreTier | undefined {
  const text = textOf(parent, 'Tier')?.trim();
  const tier = tiers.find((one) => one === text);
  if (text !== undefined && !tier) throw malformed(`Tier is one of ${tiers.join(', ')}.`);
  return tier;
}

/** For how many days, and how soon. Without a tier it is Standard. */
function requested(document: XmlElement): { readonly days: number; readonly tier: RestoreTier } {
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
  if (Number(days) > limits.restoreDays) throw malformed('Days of RestoreRequest is too large.');
  const parameters = childOf(document, 'GlacierJobParameters');
  if (parameters) allowOnly(parameters, ['Tier']);
  const said = tierOf(document);
  return { days: Number(days), tier: (parameters && tierOf(parameters)) ?? said ?? 'Standard' };
}

export async function restoreObject(call: S3Call): Promise<void> {
  const { days, tier } = requested(await requireDocument(call, 'RestoreRequest'));
  const { bucket, key } = call;
  const { restore } = await call.service.objects.restore({
    bucket,
    key,
    versionId: call.query.get('versionId'),
    days,
    tier,
    dayMs: call.service.lifecycleDayMs,
  });
  answerEmpty(call, restore?.state === 'restored' ? 200 : 202);
}
