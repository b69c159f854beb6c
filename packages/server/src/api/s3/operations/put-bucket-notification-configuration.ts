import type { StoreError } from '../../../errors.ts';
import { configurationBytes, unknownFeature } from '../../../metadata/index.ts';
import { answerEmpty, header, type S3Call } from '../call.ts';
import { documentOf } from '../configurations/form.ts';
import { type NotificationRules, notificationForm } from '../configurations/notification.ts';
import { invalidArgument } from '../failure.ts';
import { requireDocument } from '../incoming.ts';

const unusable = (arn: string, why: string): StoreError =>
  invalidArgument(arn, why, 'Unable to validate the following destination configurations');

/** Every rule has an id, of the client or of this request. */
const named = (rules: NotificationRules, requestId: string): NotificationRules => ({
  ...rules,
  rules: rules.rules.map((rule, at) => (rule.id === '' ? { ...rule, id: `${requestId}-${at + 1}` } : rule)),
});

/** Replaces all rules of the bucket, once each target has taken a test event. An empty document takes them away. */
export async function putBucketNotificationConfiguration(call: S3Call): Promise<void> {
  const { service, bucket, exchange } = call;
  const { objects, notifications } = service;
  const form = notificationForm;
  const document = await requireDocument(call, form.root, form.digest, configurationBytes(form.kind));
  const rules = named(form.parse(document), exchange.id);
  objects.bucket(bucket);
  const skip = header(call, 'x-amz-skip-destination-validation');
  if (skip !== undefined && skip !== 'true' && skip !== 'false')
    throw invalidArgument('x-amz-skip-destination-validation', skip, 'It is true or false.');
  if (rules.rules.length === 0 && !rules.eventBridge) {
    await objects.configure(bucket, form.kind, null);
    return answerEmpty(call, 200);
  }
  if (notifications?.ready() !== true) throw unknownFeature('notifications', 'Notifications need');
  const targets = notifications.targets();
  for (const { target, arn } of rules.rules)
    if ((targets.get(target)?.kind ?? 's3') === 's3')
      throw unusable(arn, `There is no target ${target}: the operator adds it with \`dsom notify target add\`.`);
  const bridges = [...targets].flatMap(([name, { eventBridge }]) => (eventBridge ? [name] : []));
  if (rules.eventBridge && bridges.length === 0)
    throw unusable(
      'EventBridgeConfiguration',
      'No target takes events of EventBridge: the operator adds one with `dsom notify target add NAME --event-bridge`.',
    );
  if (skip !== 'true' && rules.rules.length > 0) {
    const asked = [...new Set(rules.rules.map(({ target }) => target))];
    const results = await notifications.test({
      targets: asked,
      bucket,
      requestId: exchange.id,
      hostId: service.hostId,
    });
    const failed = results.find(({ failure }) => failure !== undefined);
    const rule = failed && rules.rules.find(({ target }) => target === failed.target);
    if (failed && rule)
      throw unusable(rule.arn, `The target ${failed.target} has not taken a test event: ${failed.failure}`);
  }
  await objects.configure(bucket, form.kind, documentOf(form, rules));
  answerEmpty(call, 200);
}
