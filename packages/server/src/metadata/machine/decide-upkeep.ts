import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { expireIntents } from './decide-cluster.ts';
import { type Decision, done, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import type { GroupRecord, IntentRecord } from './records.ts';
import { intentEvents } from './transitions.ts';
import type { View } from './view.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

export function decideIntent(
  view: View,
  command: Of<'intent.open' | 'intent.close' | 'intent.collected'>,
  stamp: Stamp,
): Decision {
  const { prefix } = command;
  invariant(prefix.length === 8, 'the prefix of an intent has 8 bytes');
  const intent = view.intent(prefix);
  if (command.type === 'intent.open') {
    if (view.counter('intents') >= limits.openIntents) throw new StoreError('SlowDown');
    invariant(!intent, 'an intent is opened once');
    const { opener } = command;
    const node = opener && view.node(opener.node);
    // Sent by a process before it died: nobody would close it any more.
    if (node && (node.state === 'removed' || !node.incarnation.equals(opener.incarnation))) {
      throw new StoreError('ServiceUnavailable', {
        message: `Node ${node.id} was started again, or removed. Try again.`,
      });
    }
    return done({ type: 'intent.write', intent: { prefix, state: 'open', openedAt: stamp.position, opener } });
  }
  const event = command.type === 'intent.close' ? 'close' : 'collected';
  const action = intentEvents[intent?.state ?? 'unknown'][event];
  if (action === 'ignore') return done();
  if (action === 'refuse') {
    throw new StoreError('InvalidRequest', { message: 'An open intent cannot have been collected.' });
  }
  return done(
    event === 'close'
      ? { type: 'intent.write', intent: { ...intent!, state: 'closed' } }
      : { type: 'intent.remove', prefix },
  );
}

export function decideExpire(view: View, { dead }: Of<'intent.expire'>, stamp: Stamp): Decision {
  if (!dead) return done(...expireIntents(view, ({ openedAt }) => openedAt <= stamp.started));
  const gone = ({ opener }: IntentRecord): boolean =>
    dead.some(({ node, except }) => {
      if (node !== (opener?.node ?? '')) return false;
      return !opener || !except?.equals(opener.incarnation);
    });
  return done(...expireIntents(view, gone));
}

/** Within one record pieces go in order: what lies behind one that was left out, or was reported before, is passed over. */
export function decideCollected(view: View, command: Of<'garbage.collected'>): Decision {
  const reported = new Map<string, { position: number; ordinal: number; pieces: number[] }>();
  for (const { position, ordinal, piece } of command.rows) {
    const name = `${position}/${ordinal}`;
    const record = reported.get(name);
    if (record) record.pieces.push(piece);
    else reported.set(name, { position, ordinal, pieces: [piece] });
  }
  const effects: Effect[] = [];
  for (const { position, ordinal, pieces } of reported.values()) {
    const garbage = view.garbage(position, ordinal);
    if (!garbage) continue;
    const { manifest, first, end } = garbage;
    const waiting = Array.from(view.pieces(manifest, first, end, pieces.length), (row) => row.index);
    let next = 0;
    for (const piece of pieces) if (waiting[next] === piece) next++;
    if (next > 0) effects.push({ type: 'garbage.remove', position, ordinal, end: waiting[next - 1]! + 1 });
  }
  return done(...effects);
}

export function decideGroups(view: View, command: Of<'group.define'>): Decision {
  const effects: Effect[] = [];
  for (const group of command.groups) {
    const before = view.group(group.id);
    if (before && before.epoch >= group.epoch) {
      const same = before.epoch === group.epoch && isSameGroup(before, group);
      if (same) continue;
      throw new StoreError('InvalidArgument', { message: 'A placement group changes only with a higher epoch.' });
    }
    if (group.code && group.code.data + group.code.parity !== group.devices.length)
      throw new StoreError('InvalidArgument', { message: 'A code needs as many devices as it has fragments.' });
    if (before && !isSameCode(before, group))
      throw new StoreError('InvalidArgument', { message: 'The code of a placement group never changes.' });
    effects.push({ type: 'group.write', group });
  }
  return done(...effects);
}

const isSameCode = (a: GroupRecord, b: GroupRecord): boolean =>
  a.code?.data === b.code?.data && a.code?.parity === b.code?.parity;

const isSameGroup = (a: GroupRecord, b: GroupRecord): boolean =>
  isSameCode(a, b) && a.devices.join() === b.devices.join();
