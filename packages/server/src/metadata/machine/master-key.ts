import { isSealedBefore } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { KmsKeyRecord } from '../kms.ts';
import {
  checkMayRotate,
  type MasterKeyCommand,
  type MasterKeyRecord,
  masterKeyOf,
  masterKeySetting,
  type SealedAnew,
  type SealedKind,
  sealedInDocument,
  stateAfter,
} from '../master-key.ts';
import { sourceOf } from './bucket-documents.ts';
import { type Decision, done, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import type { View } from './view.ts';

/*
 * Rotations of the master key: which state follows which (../master-key.ts), and what is sealed anew. What is sealed is opaque here but for the number of its
 * master key. Once every node seals with the new key, nothing is taken any more that an older one sealed, however long it was under way: so what is found
 * to hang on no older key hangs on none from then on.
 */

type Of<Type extends MasterKeyCommand['type']> = Extract<MasterKeyCommand, { type: Type }>;

const refused = (message: string): StoreError => new StoreError('InvalidRequest', { message });

const written = (record: MasterKeyRecord): Decision =>
  done({ type: 'setting.write', name: masterKeySetting, value: JSON.stringify(record) });

function begin(before: MasterKeyRecord | undefined, { number, fingerprint }: Of<'masterKey.write'>): Decision {
  checkMayRotate(before);
  const expected = !before ? Math.max(2, number) : before.state === 'spreading' ? before.number : before.number + 1;
  if (number !== expected || number > limits.masterKeys)
    throw refused(`The next master key is number ${expected}, not ${number}: ask again (\`dsom key master rotate\`).`);
  return written({ number, fingerprint, state: 'spreading', sinceMs: 0, oldest: before?.oldest ?? 1 });
}

export function decideMasterKey(view: View, command: Of<'masterKey.write'>, { now }: Stamp): Decision {
  const before = masterKeyOf(view);
  const { state, number, fingerprint, nodes } = command;
  if (state === 'spreading') return begin(before, command);
  if (before?.number !== number || before.fingerprint !== fingerprint || stateAfter[before.state] !== state)
    throw refused(
      `Master key ${before?.number ?? 1} is ${before?.state ?? 'the first one'}: it does not become ${state} now. \`dsom key master status\` says how far it is.`,
    );
  const others = view.nodes().filter((one) => one.state !== 'removed' && !nodes.includes(one.id));
  if (others.length > 0)
    throw refused(`Nodes that have not said that they are as far: ${others.map(({ id }) => id).join(', ')}.`);
  if (state === 'resealing') return written({ ...before, state, sinceMs: now });
  if (state !== 'removing') return written({ ...before, state });
  const goodUntil = before.sinceMs + limits.userSessionSecondsMax * 1000;
  if (now < goodUntil && command.endSessions !== true)
    throw refused(
      `Tokens of sessions that an older master key sealed may be good for ${Math.ceil((goodUntil - now) / 60_000)} minutes more: remove it then, or end them now with --end-sessions.`,
    );
  return written({ ...before, state, oldest: number });
}

type Sealed = Pick<SealedAnew, 'kind' | 'name' | 'version'>;

/** What is there of something sealed, as {@link SealedAnew.before} has it; undefined: it is gone. */
const found: Readonly<Record<SealedKind, (view: View, sealed: Sealed) => Buffer | undefined>> = {
  bucket: (view, { name }) => view.bucketNamed(name)?.wrappedKey,
  accessKey: (view, { name }) => view.accessKey(name)?.sealedSecret,
  namedKey: (view, { name, version = 1 }) => view.kms.byId(name)?.versions[version - 1],
  target: (view, { name }) => view.targets().get(name),
  source(view, { name }) {
    const bucket = view.bucketNamed(name);
    return bucket && sourceOf(view.rows, bucket.id);
  },
  authority: (view) => view.authority()?.sealed,
};

export function decideReseal(view: View, { items }: Of<'masterKey.reseal'>): Decision {
  invariant(items.length <= limits.resealTogether, 'an entry seals so many rows anew at most');
  const effects: Effect[] = [];
  /** Several versions of one key may be among the items. */
  const named = new Map<string, KmsKeyRecord>();
  for (const item of items) {
    const { kind, name, version = 1, before, after } = item;
    // Gone, or changed meanwhile: then it was sealed by who changed it.
    if (!found[kind](view, item)?.equals(before)) continue;
    if (kind === 'bucket')
      effects.push({ type: 'bucket.write', bucket: { ...view.bucketNamed(name)!, wrappedKey: after } });
    else if (kind === 'accessKey')
      effects.push({ type: 'key.write', key: { ...view.accessKey(name)!, sealedSecret: after } });
    else if (kind === 'target') effects.push({ type: 'target.write', name, record: after });
    else if (kind === 'source')
      effects.push({ type: 'source.write', bucket: view.bucketNamed(name)!.id, document: after });
    else if (kind === 'authority')
      effects.push({ type: 'authority.write', authority: { ...view.authority()!, sealed: after } });
    else {
      const key = named.get(name) ?? view.kms.byId(name)!;
      named.set(name, { ...key, versions: key.versions.with(version - 1, after) });
    }
  }
  for (const key of named.values()) effects.push({ type: 'kmsKey.write', key });
  return done(...effects);
}

type Brought = readonly (readonly [sealed: Buffer, before: Buffer | undefined])[];
const none: Brought = [];

/** Sealed bytes that an effect brings, beside those that are there. */
function sealedBy(view: View, effect: Effect): Brought {
  switch (effect.type) {
    case 'bucket.write':
      return [[effect.bucket.wrappedKey, view.bucket(effect.bucket.id)?.wrappedKey]];
    case 'key.write':
      return [[effect.key.sealedSecret, view.accessKey(effect.key.id)?.sealedSecret]];
    case 'kmsKey.write': {
      const before = view.kms.byId(effect.key.id)?.versions;
      return effect.key.versions.map((version, at) => [version, before?.[at]]);
    }
    case 'target.write': {
      const before = view.targets().get(effect.name);
      return [[sealedInDocument(effect.record), before && sealedInDocument(before)]];
    }
    case 'source.write': {
      const before = sourceOf(view.rows, effect.bucket);
      return [[sealedInDocument(effect.document), before && sealedInDocument(before)]];
    }
    case 'authority.write':
      return [[effect.authority.sealed, view.authority()?.sealed]];
    default:
      return none;
  }
}

/** Number of the first master key that may have sealed what comes. */
const firstOf = ({ number, state }: MasterKeyRecord): number =>
  state === 'spreading' || state === 'sealing' ? number - 1 : number;

/**
 * Nothing comes any more that hangs on a key which may be removed.
 * @throws StoreError ServiceUnavailable: made again, it is sealed with the new key
 */
export function checkSealedAnew(view: View, effects: readonly Effect[]): void {
  let first: number | undefined;
  for (const effect of effects)
    for (const [sealed, before] of sealedBy(view, effect)) {
      if (before?.equals(sealed)) continue;
      const record = first === undefined ? masterKeyOf(view) : undefined;
      first ??= record ? firstOf(record) : 0;
      if (first > 0 && isSealedBefore(sealed, first))
        throw new StoreError('ServiceUnavailable', {
          message: 'The master key was rotated while this was on its way: ask again.',
          retryAfter: 1,
        });
    }
}
