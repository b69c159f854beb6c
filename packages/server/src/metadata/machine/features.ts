import type { Effect, EffectType } from './effects.ts';
import { saysHowKept } from './versions.ts';

/*
 * What entries may hold that not every version of a cluster knows. The first version that had clusters knows none of these names, and all that it
 * wrote needs none. Whatever came later has a name here, and is written only when that name is a row of table `features`: an entry turned it on,
 * once every node had said that it knows it. So a version that does not know it never meets it, and one that comes late is refused by name.
 */

/** In the order in which they came: a new one goes to the end, and none is ever taken away or changed. */
export const features = [
  'settings',
  'invitations',
  'authorities',
  'objectShards',
  'policies',
  'configurations',
  'reshard',
] as const;

export type Feature = (typeof features)[number];

/** Which effects, or which of their values, need one. */
const needs: { readonly [Type in EffectType]?: (effect: Extract<Effect, { type: Type }>) => Feature | undefined } = {
  'setting.write': () => 'settings',
  'invitation.write': () => 'invitations',
  'invitation.remove': () => 'invitations',
  'authority.write': () => 'authorities',
  'bucket.shards': ({ place }) => (place.madeWith === undefined ? 'objectShards' : 'reshard'),
  'bucket.forget': () => 'objectShards',
  'configuration.write': () => 'configurations',
  'configuration.remove': () => 'configurations',
  'piece.swap': () => 'policies',
  'version.swap': () => 'policies',
  'version.insert': ({ row }) => (saysHowKept(row) ? 'policies' : undefined),
  'version.update': ({ row }) => (saysHowKept(row) ? 'policies' : undefined),
  'bucket.write': ({ bucket }) => (bucket.redundancy && 'hot' in bucket.redundancy ? 'policies' : undefined),
  'upload.create': ({ upload }) => (upload.redundancy && 'hot' in upload.redundancy ? 'policies' : undefined),
};

/** What must be turned on before the effect may be in an entry; undefined: every version knows it. */
export function featureOf(effect: Effect): Feature | undefined {
  return (needs[effect.type] as ((effect: Effect) => Feature | undefined) | undefined)?.(effect);
}

/** Whether this program knows a feature that is turned on. */
export const isKnownFeature = (name: string): name is Feature => (features as readonly string[]).includes(name);
