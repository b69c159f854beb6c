import { CorruptionError, StoreError } from '../errors.ts';

/*
 * How far a rotation of the master key is. The record is the setting `masterKey`, so every node has it. It goes through states; each node does what the
 * state asks of it, then says so to the others, and the node that leads writes the next state once every node has said so:
 *
 *   spreading   has the new key in its keyring, where it opens and seals nothing yet
 *   sealing     seals with it
 *   resealing   seals anew what it keeps for itself; the node that leads does so with what is in the metadata
 *   sealed      nothing: no row hangs on an older key
 *   removing    removes the older keys from its keyring; `sealed` comes after it again
 *
 * So at no time has a node sealed with a key that another lacks, and none is removed that another still seals with. A node that is away holds a rotation
 * up until it is back, or removed.
 */

/** Name of the setting. */
export const masterKeySetting = 'masterKey';

const masterKeyStates = ['spreading', 'sealing', 'resealing', 'sealed', 'removing'] as const;
export type MasterKeyState = (typeof masterKeyStates)[number];

export const stateAfter: Readonly<Record<MasterKeyState, MasterKeyState>> = {
  spreading: 'sealing',
  sealing: 'resealing',
  resealing: 'sealed',
  sealed: 'removing',
  removing: 'sealed',
};

export interface MasterKeyRecord {
  /** Of the newest master key, from 1. */
  readonly number: number;
  /** Of a keyring with that key as its last one: nothing can be learned of the key. */
  readonly fingerprint: string;
  readonly state: MasterKeyState;
  /** Since when (ms since 1970) every node has sealed with it; 0: not yet. */
  readonly sinceMs: number;
  /** Of the first master key that keyrings hold, or are to hold. */
  readonly oldest: number;
}

/** What there is that a master key seals, and what its rows are found by: name of the bucket, id of the key, name of the target; nothing for the authority. */
export type SealedKind = 'bucket' | 'accessKey' | 'namedKey' | 'target' | 'source' | 'authority';

/** Something sealed that takes the place of what was sealed under an older master key. */
export interface SealedAnew {
  readonly kind: SealedKind;
  readonly name: string;
  /** Of a named key: which of its versions, from 1. */
  readonly version?: number;
  /** What is there: the sealed bytes; of targets and sources, the whole document. Where it is something else by now, nothing happens. */
  readonly before: Buffer;
  readonly after: Buffer;
}

export type MasterKeyCommand =
  /**
   * A new master key (`spreading`), or the next state of the rotation that is under way. As long as a key spreads, another may take its place.
   * @throws StoreError InvalidRequest where the state does not follow, where a node is not among `nodes`, or where sessions would end that may be good still
   */
  | {
      readonly type: 'masterKey.write';
      readonly number: number;
      readonly fingerprint: string;
      readonly state: MasterKeyState;
      /** Ids of the nodes that have done what the state before asks for. */
      readonly nodes: readonly string[];
      /** Remove older keys although tokens of sessions may be sealed under them. */
      readonly endSessions?: boolean;
    }
  /** At most {@link limits.resealTogether}. */
  | { readonly type: 'masterKey.reseal'; readonly items: readonly SealedAnew[] };

/** @throws CorruptionError where it cannot be read: nobody may guess which keys are needed */
export function parseMasterKey(text: string): MasterKeyRecord {
  let found: Partial<MasterKeyRecord> | undefined;
  try {
    found = JSON.parse(text) as MasterKeyRecord;
  } catch {
    // Told below.
  }
  const { number = 0, fingerprint = '', state, sinceMs = -1, oldest = 0 } = found ?? {};
  const whole = [number, sinceMs, oldest].every((one) => Number.isSafeInteger(one)) && oldest >= 1 && oldest <= number;
  if (
    !whole ||
    sinceMs < 0 ||
    !/^[1-9]\d*-[0-9a-f]{32}$/.test(fingerprint) ||
    !masterKeyStates.includes(state as never)
  )
    throw new CorruptionError('the record of the master key cannot be read');
  return { number, fingerprint, state: state as MasterKeyState, sinceMs, oldest };
}

/** The rotation that is under way, or was last; undefined: there was none. */
export function masterKeyOf(reader: { setting(name: string): string | undefined }): MasterKeyRecord | undefined {
  const text = reader.setting(masterKeySetting);
  return text === undefined ? undefined : parseMasterKey(text);
}

/** @throws StoreError InvalidRequest while a rotation is under way whose key may have sealed something */
export function checkMayRotate(before: MasterKeyRecord | undefined): void {
  if (!before || before.state === 'sealed' || before.state === 'spreading') return;
  throw new StoreError('InvalidRequest', {
    message: `Master key ${before.number} is ${before.state}: wait until that has ended (\`dsom key master status\`), then rotate again.`,
  });
}

/** The sealed bytes in the document of a target or source; empty where there are none. */
export function sealedInDocument(document: Buffer): Buffer {
  try {
    const { sealed } = JSON.parse(document.toString('utf8')) as { sealed?: unknown };
    return Buffer.from(typeof sealed === 'string' ? sealed : '', 'base64');
  } catch {
    return Buffer.alloc(0);
  }
}
