import { repeat } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { type Keyring, KeyringError, type MasterKeyName } from '../keys/index.ts';
import { limits } from '../limits.ts';
import {
  checkMayRotate,
  type MasterKeyRecord,
  type MasterKeyState,
  type Metadata,
  type MetadataReader,
  masterKeyOf,
  stateAfter,
} from '../metadata/index.ts';
import { countHanging, type Hanging, reseal } from './sealed-rows.ts';

/*
 * The master key is rotated while all goes on. What the states of a rotation mean stands in metadata/master-key.ts; here a node does what the state asks of
 * it, and the one that leads seals anew what is in the metadata, and writes the next state. A server that is alone is the one node that there is. All
 * that is to be known stands in the log and in what is sealed itself, so whoever is killed at whatever point goes on there.
 */

/** How far a node is. */
export interface MasterKeyProgress {
  readonly number: number;
  readonly fingerprint: string;
  readonly state: MasterKeyState;
}

export interface MasterKeyOptions {
  readonly metadata: Pick<Metadata, 'propose'>;
  /** Of all shards as one. */
  readonly reader: MetadataReader;
  readonly keyring: Keyring;
  readonly host: Host;
  /** Id of this node; undefined: this server is alone. */
  readonly node: string | undefined;
  readonly leads: () => boolean;
  /** How far another node is, as far as this one knows. */
  readonly progressOf: (node: string) => MasterKeyProgress | undefined;
  /** Keyring files of the other nodes that answer. */
  readonly files: () => AsyncIterable<Buffer>;
  /** What this node keeps for itself that the master key seals; absent: nothing. */
  readonly own?: { hangs(first: number): boolean; reseal(): Promise<void> };
  /** Waits until this node knows what was answered before; absent: it always does. */
  readonly latest?: () => Promise<unknown>;
  /** Has the other threads read the keyring again, and the store remember which one it is. */
  readonly changed: () => Promise<void>;
  readonly onEvent: (progress: MasterKeyProgress) => void;
  readonly onUnreadable: (kind: string, name: string, cause: unknown) => void;
  /** Hears of what could not be done; it is tried again. */
  readonly onError: (cause: unknown) => void;
}

export interface MasterKeyStatus {
  /** Of the newest master key. */
  readonly number: number;
  /** `sealed`: no rotation is under way. */
  readonly state: MasterKeyState;
  /** Of the first master key that is still there. */
  readonly oldest: number;
  /** Rows that an older key than the newest sealed. */
  readonly hanging: Hanging;
  /** Nodes that have not done yet what the state asks for. */
  readonly waitsFor: readonly string[];
  /** When the older keys can be removed without ending a session: once all sessions are over that they may have sealed; null: there is no older one, or the rotation goes on. */
  readonly removableAt: string | null;
}

export interface MasterKeyDuty {
  /** Undefined: nothing was asked of this node yet, or it is at it. */
  progress(): MasterKeyProgress | undefined;
  status(): Promise<MasterKeyStatus>;
  /** Begins to put a new master key in the place of the present one. @throws StoreError InvalidRequest while another rotation is under way */
  rotate(): Promise<MasterKeyStatus>;
  /** Removes the keys on which nothing hangs any more. @throws StoreError InvalidRequest where something does */
  remove(endSessions: boolean): Promise<MasterKeyStatus>;
  stop(): Promise<void>;
}

const isDone = (progress: MasterKeyProgress | undefined, record: MasterKeyProgress): boolean =>
  progress?.number === record.number && progress.fingerprint === record.fingerprint && progress.state === record.state;

const refused = (message: string): StoreError => new StoreError('InvalidRequest', { message });

export function keepMasterKey(options: MasterKeyOptions): MasterKeyDuty {
  const { metadata, reader, keyring, host, node, leads, progressOf, own, changed, onEvent, onError } = options;
  let done: MasterKeyProgress | undefined;
  const progress = () => done;

  const record = () => masterKeyOf(reader);
  const nodes = (): readonly string[] => reader.nodes().flatMap((one) => (one.state === 'removed' ? [] : [one.id]));
  const progressFor = (id: string) => (id === node ? done : progressOf(id));
  const write = (
    state: MasterKeyState,
    { number, fingerprint }: Omit<MasterKeyProgress, 'state'>,
    endSessions = false,
  ) =>
    metadata.propose({
      type: 'masterKey.write',
      number,
      fingerprint,
      state,
      nodes: nodes().filter((id) => isDone(progressFor(id), record() ?? { number, fingerprint, state })),
      endSessions,
    });

  /** Into the keyring of this node. */
  const obtain = async (wanted: MasterKeyRecord): Promise<boolean> => {
    if (await keyring.take(wanted)) return true;
    for await (const file of options.files()) if (await keyring.take(wanted, file)) return true;
    if (wanted.state !== 'spreading')
      throw new KeyringError(
        `The keyring of this node lacks master key ${wanted.number}, and no node that answers has it: put the newest backup of keys/keyring back and start again.`,
      );
    // What was prepared was lost with the process, and nobody else can have it: another one takes its place.
    if (node === undefined) await write('spreading', await keyring.prepare());
    return false;
  };

  const prepared = (): Promise<MasterKeyName> =>
    keyring.prepare().catch((cause: unknown) => {
      throw cause instanceof KeyringError ? refused(cause.message) : cause;
    });

  const forgetOlder = async ({ number }: MasterKeyRecord): Promise<void> => {
    const { total } = await countHanging(reader, number, host);
    if (total > 0 || own?.hangs(number))
      throw new StoreError('InvalidRequest', {
        message: `${total > 0 ? `${total} rows` : 'The authority of this node'} still hang on master keys before ${number}, which are kept: look at \`dsom key master status\`.`,
      });
    await keyring.removeBefore(number);
  };

  const follow = async (wanted: MasterKeyRecord): Promise<boolean> => {
    const { number, fingerprint, state, oldest } = wanted;
    if (!(await obtain(wanted))) return false;
    if (state !== 'spreading') await keyring.activate(number);
    if (state !== 'spreading' && state !== 'sealing' && own?.hangs(number)) await own.reseal();
    if (oldest === number && keyring.oldest < number) await forgetOlder(wanted);
    await changed();
    done = { number, fingerprint, state };
    onEvent(done);
    return true;
  };

  /** @returns whether something was done */
  const advance = async (wanted: MasterKeyRecord, signal: AbortSignal): Promise<boolean> => {
    const { state, number } = wanted;
    if (state === 'sealed') return false;
    if (state === 'resealing')
      await reseal({
        reader,
        keys: keyring,
        host,
        first: number,
        propose: (items) => metadata.propose({ type: 'masterKey.reseal', items }),
        onUnreadable: options.onUnreadable,
        signal,
      });
    if (!nodes().every((id) => isDone(progressFor(id), wanted))) return false;
    if (state === 'resealing' && (await countHanging(reader, number, host)).total > 0) return false;
    await write(stateAfter[state], wanted);
    return true;
  };

  /** @returns whether there may be more to do */
  const step = async (signal: AbortSignal): Promise<boolean> => {
    const wanted = record();
    if (!wanted) return false;
    if (!isDone(done, wanted)) return follow(wanted);
    return leads() && (await advance(wanted, signal));
  };
  const steps = repeat({
    host,
    everyMs: limits.authorityMs,
    async run(signal) {
      while (!signal.aborted && (await step(signal)));
    },
    onError,
  });
  steps.nudge();

  const status = async (): Promise<MasterKeyStatus> => {
    const wanted = record();
    const { number, state, oldest, sinceMs } = wanted ?? {
      number: keyring.active,
      state: 'sealed' as const,
      oldest: keyring.oldest,
      sinceMs: 0,
    };
    const over = sinceMs + limits.userSessionSecondsMax * 1000;
    const removable = wanted && state === 'sealed' && oldest < number;
    return {
      number,
      state,
      oldest,
      hanging: await countHanging(reader, number, host),
      waitsFor: wanted ? nodes().filter((id) => !isDone(progressFor(id), wanted)) : [],
      removableAt: removable ? new Date(over).toISOString() : null,
    };
  };

  return {
    progress,
    status,
    async rotate() {
      await options.latest?.();
      const before = record();
      checkMayRotate(before);
      const expected = before && (before.state === 'sealed' ? before.number : before.number - 1);
      if (expected !== undefined && keyring.active !== expected)
        throw new StoreError('ServiceUnavailable', {
          message: `This node does not seal with master key ${expected} yet: ask again in a few seconds, or ask another node.`,
          retryAfter: 2,
        });
      // One that is alone makes another one by itself where what it prepared was lost.
      if (before?.state !== 'spreading' || node !== undefined) await write('spreading', await prepared());
      steps.nudge();
      return status();
    },
    async remove(endSessions) {
      await options.latest?.();
      const before = record();
      if (!before || before.oldest === before.number) throw refused('There is no older master key: nothing to remove.');
      if (before.state !== 'sealed')
        throw refused(
          `Master key ${before.number} is ${before.state}: older ones can be removed once it is sealed (\`dsom key master status\`).`,
        );
      const { total } = await countHanging(reader, before.number, host);
      if (total > 0)
        throw refused(`${total} rows still hang on older master keys, which are kept (\`dsom key master status\`).`);
      await write('removing', before, endSessions);
      steps.nudge();
      return status();
    },
    stop: () => steps.stop(),
  };
}
