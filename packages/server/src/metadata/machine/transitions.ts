import type { DeviceState, NodeState, Versioning } from './records.ts';

/*
 * The decisions of S3 as total tables: a state or event more does not compile until every cell says what happens.
 * `impossible` cells are stopped by an invariant.
 */

/** What a client may set versioning to. There is no way back to `off`. */
export const versioningChanges = {
  off: { off: 'keep', enabled: 'change', suspended: 'change' },
  enabled: { off: 'refuse', enabled: 'keep', suspended: 'change' },
  suspended: { off: 'refuse', enabled: 'change', suspended: 'keep' },
} as const satisfies Record<Versioning, Record<Versioning, 'keep' | 'change' | 'refuse'>>;

/** The newest version of a key: none, a null version or marker, or one with an id. */
export type KeyState = 'absent' | 'null' | 'identified';

/** Where a new version goes. */
export type Placing =
  /** The key is new. */
  | 'first'
  /** It takes the place of the newest. */
  | 'overwrite'
  /** The newest becomes history. */
  | 'push'
  /** The newest becomes history, and a null version in history goes. */
  | 'pushOverNull';

export const putPlacings = {
  off: { absent: 'first', null: 'overwrite', identified: 'impossible' },
  enabled: { absent: 'first', null: 'push', identified: 'push' },
  suspended: { absent: 'first', null: 'overwrite', identified: 'pushOverNull' },
} as const satisfies Record<Versioning, Record<KeyState, Placing | 'impossible'>>;

/** A delete that names no version: `nothing` to do, `remove` the object, or place a marker. */
export const deletePlacings = {
  off: { absent: 'nothing', null: 'remove', identified: 'impossible' },
  enabled: { absent: 'first', null: 'push', identified: 'push' },
  suspended: { absent: 'first', null: 'overwrite', identified: 'pushOverNull' },
} as const satisfies Record<Versioning, Record<KeyState, Placing | 'nothing' | 'remove' | 'impossible'>>;

/** A delete that names a version does the same whatever the bucket says: the version itself goes. */
export const deleteVersion = { there: 'remove', missing: 'nothing' } as const satisfies Record<
  'there' | 'missing',
  'remove' | 'nothing'
>;

/** Versions and markers written now: with the null id, or with one of their own. */
export const writesNull = { off: true, enabled: false, suspended: true } as const satisfies Record<Versioning, boolean>;

/**
 * An upload as its id finds it. `completed`: the row is gone and a version of the key still has the manifest that the upload became.
 * `gone`: never started, aborted, or completed and its version no longer there, or too far back.
 */
export type UploadState = 'open' | 'completed' | 'gone';
export type UploadEvent = 'part' | 'complete' | 'abort';

/** `again`: the answer of the first time is given once more, as S3 does for a completion that is repeated. */
export const uploadEvents = {
  open: { part: 'accept', complete: 'accept', abort: 'accept' },
  completed: { part: 'refuse', complete: 'again', abort: 'refuse' },
  gone: { part: 'refuse', complete: 'refuse', abort: 'refuse' },
} as const satisfies Record<UploadState, Record<UploadEvent, 'accept' | 'again' | 'refuse'>>;

/** What a node may become. A removed one does not come back: its id is that of its data directory, which was given up. */
export const nodeChanges = {
  absent: { joining: 'accept', active: 'accept', draining: 'refuse', removed: 'refuse' },
  joining: { joining: 'accept', active: 'accept', draining: 'accept', removed: 'accept' },
  active: { joining: 'refuse', active: 'accept', draining: 'accept', removed: 'accept' },
  draining: { joining: 'refuse', active: 'accept', draining: 'accept', removed: 'accept' },
  removed: { joining: 'refuse', active: 'refuse', draining: 'refuse', removed: 'accept' },
} as const satisfies Record<NodeState | 'absent', Record<NodeState, 'accept' | 'refuse'>>;

/** What a device may become. A retired one has no data that counts: it comes back as another. */
export const deviceChanges = {
  absent: { active: 'accept', draining: 'refuse', retired: 'refuse' },
  active: { active: 'accept', draining: 'accept', retired: 'accept' },
  draining: { active: 'accept', draining: 'accept', retired: 'accept' },
  retired: { active: 'refuse', draining: 'refuse', retired: 'accept' },
} as const satisfies Record<DeviceState | 'absent', Record<DeviceState, 'accept' | 'refuse'>>;

/** What a stripe's intent lets happen to it. Without a row the intent was never opened, or is collected. */
export const intentEvents = {
  open: { publish: 'accept', close: 'accept', collected: 'refuse' },
  closed: { publish: 'refuse', close: 'ignore', collected: 'accept' },
  unknown: { publish: 'refuse', close: 'ignore', collected: 'ignore' },
} as const satisfies Record<
  'open' | 'closed' | 'unknown',
  Record<'publish' | 'close' | 'collected', 'accept' | 'ignore' | 'refuse'>
>;
