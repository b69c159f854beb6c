import { StoreError } from '../../../errors.ts';
import { firstAccount, tenantOf, unknownFeature } from '../../../metadata/index.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { documentOf, takeConfiguration } from '../configurations/form.ts';
import { replicationForm as form, placeText, type Replication } from '../configurations/replication.ts';

const refused = (message: string): StoreError => new StoreError('InvalidRequest', { message });

/** Every rule has an id, of the client or of this request. */
const named = (replication: Replication, requestId: string): Replication => ({
  ...replication,
  rules: replication.rules.map((rule, at) => (rule.id === '' ? { ...rule, id: `${requestId}-${at + 1}` } : rule)),
});

/** Replaces all rules of the bucket, once every destination has said that it is there and keeps versions. */
export async function putBucketReplication(call: S3Call): Promise<void> {
  const { service, bucket, exchange } = call;
  const { objects, notifications } = service;
  const { versioning, owner } = objects.bucket(bucket);
  const replication = named(await takeConfiguration(call, form), exchange.id);
  if (versioning !== 'enabled')
    throw refused("Versioning must be 'Enabled' on the bucket to apply a replication configuration");
  if (notifications?.replicates() !== true) throw unknownFeature('replication', 'Replication needs');
  // A node that does not know it could not read the rules any more.
  if (replication.rules.some((rule) => rule.replicaChanges) && !notifications.tellsReplicas())
    throw unknownFeature('replicationStatus', 'ReplicaModifications needs');
  const targets = notifications.targets();
  const places = new Map(replication.rules.map((rule) => [placeText(rule), rule]));
  const account = tenantOf(owner);
  for (const { target, arn } of places.values()) {
    const store = targets.get(target);
    if (store?.kind !== 's3')
      throw refused(
        `Destination bucket must exist. ${arn} is in the store ${target}, which nobody has defined: the operator does with \`dsom replication target add ${target}\`.`,
      );
    // What is written there is written with the operator's key, which may reach buckets of others.
    if (account !== firstAccount && !store.accounts?.includes(account))
      throw new StoreError('AccessDenied', {
        message: `The store ${target} is not for buckets of account ${account}: the operator gives it to one with \`dsom replication target add ${target} PROFILE --account ${account}\`.`,
      });
  }
  for (const { target, arn, bucket: name } of places.values()) {
    const failure = await notifications.lacks({ target, bucket: name });
    if (failure !== undefined) throw refused(`${failure} (${arn})`);
  }
  await objects.configure(bucket, form.kind, documentOf(form, replication));
  answerEmpty(call, 200);
}
