import type { Command } from '../types.ts';
import { type Decision, done, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import { announcementOf, announces } from './notices.ts';
import { noteOf, type ReplicatedCommand, replicatedTo } from './replicated.ts';
import { encodeVersion, VersionRow } from './versions.ts';
import type { View } from './view.ts';

/** Until every node can read such a note there is none. */
const isKnown = (view: View, stamp: Stamp): boolean => stamp.alone || view.has('replicationStatus');

/** Has new versions say what was announced of their replication. */
export function noted(view: View, command: Command, decision: Decision, stamp: Stamp): Decision {
  if (!announces(command) || !isKnown(view, stamp)) return decision;
  const effects = decision.effects.map((effect): Effect => {
    const given = effect.type === 'version.insert' ? announcementOf(command, effect.key)?.replication : undefined;
    const replication = given && noteOf(given);
    if (!replication || effect.type !== 'version.insert') return effect;
    const row = new VersionRow(effect.row);
    const version = row.record();
    if (version.kind !== 'object') return effect;
    return { ...effect, row: encodeVersion({ ...version, replication }, row.mayHaveOlder) };
  });
  return { ...decision, effects };
}

/** What is gone has nothing to be noted of. */
export function decideReplicated(view: View, command: ReplicatedCommand, stamp: Stamp): Decision {
  const { bucket, key, place, outcome } = command;
  if (!isKnown(view, stamp) || !view.bucket(bucket)) return done();
  const { sequence, nonce } = command.version;
  const newest = view.newest(bucket, key);
  // From before the bucket kept versions there may be one without an id of its own.
  const row = newest && (view.select(newest, command.version) ?? view.select(newest, 'null'));
  if (row?.sequence !== sequence || !row.nonce.equals(nonce)) return done();
  const before = row.record();
  if (before.kind !== 'object') return done();
  const next = replicatedTo(before.replication, place, outcome);
  if (next === before.replication) return done();
  const { replication: _, ...others } = before;
  const version = { ...others, ...(next && { replication: next }) };
  return done({ type: 'version.update', bucket, key, row: encodeVersion(version, row.mayHaveOlder) });
}
