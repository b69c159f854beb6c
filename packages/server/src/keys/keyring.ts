import { hkdfSync } from 'node:crypto';
import { sealedHeader, sealedHeaderBytes, sealedUnder } from '../codec/index.ts';
import { readFile, replaceFile, type Volume } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { isBlank, keyBytes, nonceBytes, openBox, sealBox } from './box.ts';
import { fileName, isNewer, KeyringError, loadKeyring, newestKeyring, twoKeyrings } from './fitting.ts';
import {
  decodeKeyring,
  encodeKeyring,
  fingerprintOf,
  type KeyringContent,
  type MasterKey,
  withKey,
  withoutKeys,
} from './format.ts';
import type { KeyService } from './types.ts';

/*
 * The keyring: the local key service.
 *
 * One small file holds the versions of the master key; the active one wraps, all unwrap. What is wrapped says which version did it.
 * The master key itself never encrypts: a key for wrapping is derived from it, so that later uses (tokens, links
 * between nodes) get keys of their own.
 *
 * A rotation takes steps, because several threads and nodes have the keyring, and what one of them wraps the others must open: a key is *prepared*, in
 * a file beside the keyring; *taken* into the keyring of every node, where it only unwraps; then it *becomes the active one*. The keys before it go when
 * nothing hangs on them any more. Whoever asks for the steps (daemon/master-key.ts) knows from the log which one is due; each can be asked for again.
 *
 * The file is replaced whole (new name, sync, rename, sync of the directory), so a crash leaves the old or the new one.
 * Losing it means losing every object; therefore nothing here ever writes a new keyring over a missing or damaged one
 * unless the caller says that the store is empty. A fall-back to a built-in or blank key was rejected for good: a store that
 * seals with a key everyone knows is worse than one that does not start.
 */

const preparedName = 'keyring.next';
const derivation = Buffer.from('dsom master wrap 1', 'latin1');

/** Says which version of the master key is meant, without telling anything of it. */
export interface MasterKeyName {
  /** From 1. */
  readonly number: number;
  /** Of a keyring with this key as its last one. */
  readonly fingerprint: string;
}

/** The local key service. */
export interface Keyring extends KeyService {
  /** 32 hexadecimal digits, made with the keyring. */
  readonly identity: string;
  /**
   * Says which keyring this is and how many keys it holds up to the active one, without telling anything of them: `3-` and 32 hexadecimal digits. A
   * store remembers it, and gives it to the next opening as `expected`.
   */
  readonly fingerprint: string;
  /** Version of the master key that wraps. */
  readonly active: number;
  /** Version of the first master key that was not removed. */
  readonly oldest: number;
  /**
   * Makes a master key to come behind the active one, and keeps it beside the keyring; durable when it resolves. It is in nobody's keyring yet.
   * @throws KeyringError when the keyring is full
   */
  prepare(): Promise<MasterKeyName>;
  holds(key: MasterKeyName): boolean;
  /**
   * Has the keyring hold this key, out of what was prepared here, or out of the file of another node. It wraps nothing yet. Durable everywhere when it
   * resolves with true; false: it is not in there.
   */
  take(key: MasterKeyName, file?: Buffer): Promise<boolean>;
  /** From now on this version wraps; durable everywhere when it resolves. Other threads learn of it by {@link refresh}. */
  activate(version: number): Promise<void>;
  /** Removes the keys before this version, which must be the active one or before it; durable everywhere when it resolves. */
  removeBefore(version: number): Promise<void>;
  /** Bytes of the file, for another node of the cluster. */
  file(): Buffer;
  /** Takes over what another thread has done to the file. */
  refresh(): Promise<void>;
  /**
   * Keeps the keyring in these volumes from now on, and writes it where it is missing, damaged or older; durable when it resolves.
   * @throws KeyringError when one of them holds the keyring of another store: that is never written over
   */
  keepIn(volumes: readonly Volume[]): Promise<void>;
}

/** What {@link openKeyring} needs. */
export interface KeyringOptions {
  /** The directory `keys/`; its files must be readable by the owner alone. */
  readonly volume: Volume;
  /** Others that may hold the keyring too: the newest one counts. */
  readonly copies?: readonly Volume[];
  readonly host: Host;
  /** Make a keyring when there is none. True only while the store holds no data. */
  readonly create: boolean;
  /** Fingerprint of the keyring that the store was last opened with, when it is known; keys that were added since do no harm. */
  readonly expected?: string;
}

function wrappingKey(master: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), derivation, keyBytes));
}

const store = (volume: Volume, content: KeyringContent): Promise<void> =>
  replaceFile(volume, fileName, encodeKeyring(content));

function fresh(host: Host, version: number) {
  const key = host.entropy.bytes(keyBytes);
  invariant(key.length === keyBytes && !isBlank(key), 'a master key is 32 random bytes');
  return { version, createdMs: host.clock.now(), key };
}

/** Every key that one of them holds, up to `count`. */
function merged(mine: KeyringContent, theirs: KeyringContent, count: number): KeyringContent {
  const added = theirs.keys.slice(0, count).map((one, at): MasterKey => {
    const own = at < mine.active ? mine.keys[at] : undefined;
    return own?.key && !one.key ? { ...one, key: own.key } : one;
  });
  return { ...mine, keys: added };
}

class LocalKeyring implements Keyring {
  readonly identity: string;
  readonly #host: Host;
  /** Where it is kept; reads go to the first. */
  #volumes: readonly Volume[];
  #content: KeyringContent;
  /** Derived keys; version n is at n - 1. */
  #wrapping: readonly (Buffer | undefined)[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: KeyringOptions, content: KeyringContent) {
    this.#host = options.host;
    this.#volumes = [options.volume];
    this.#content = content;
    this.#adopt(content);
    this.identity = content.identity.toString('hex');
  }

  get active(): number {
    return this.#content.active;
  }

  get oldest(): number {
    return 1 + this.#content.keys.findIndex(({ key }) => key !== undefined);
  }

  get fingerprint(): string {
    return fingerprintOf(this.#content, this.active);
  }

  async wrap(plain: Uint8Array, context: Uint8Array): Promise<Buffer> {
    const header = sealedHeader(this.active);
    const key = this.#wrapping[this.active - 1];
    invariant(key, 'the active master key is in the keyring');
    const nonce = this.#host.entropy.bytes(nonceBytes);
    return Buffer.concat([header, sealBox(key, nonce, plain, Buffer.concat([header, context]))]);
  }

  async unwrap(wrapped: Uint8Array, context: Uint8Array): Promise<Buffer> {
    const bytes = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength);
    const plain = await this.#open(bytes, context);
    if (!plain)
      throw new StoreError('AccessDenied', { message: 'A key cannot be opened with the keyring of this server.' });
    return plain;
  }

  prepare(): Promise<MasterKeyName> {
    return this.#inTurn(async () => {
      const number = this.active + 1;
      if (number > limits.masterKeys)
        throw new KeyringError(
          `The keyring is full: ${limits.masterKeys} master keys were made, which is the most. Copy the buckets into a new store (dsom migrate).`,
        );
      const next = withKey(this.#content, fresh(this.#host, number));
      await replaceFile(this.#first, preparedName, encodeKeyring(next));
      return { number, fingerprint: fingerprintOf(next, number) };
    });
  }

  holds({ number, fingerprint }: MasterKeyName): boolean {
    return number <= this.#content.keys.length && fingerprintOf(this.#content, number) === fingerprint;
  }

  take(key: MasterKeyName, file?: Buffer): Promise<boolean> {
    return this.#inTurn(async () => {
      if (!this.holds(key)) {
        const found = await this.#from(file);
        const { number } = key;
        const fits =
          found?.identity.equals(this.#content.identity) === true &&
          found.keys.length >= number &&
          fingerprintOf(found, number) === key.fingerprint &&
          fingerprintOf(found, this.active) === this.fingerprint;
        if (!fits) return false;
        await this.#keep(merged(this.#content, found, number));
      }
      if ((await this.#first.list()).includes(preparedName)) {
        await this.#first.remove(preparedName);
        await this.#first.syncDirectory();
      }
      return true;
    });
  }

  activate(version: number): Promise<void> {
    return this.#inTurn(async () => {
      if (version <= this.active) return;
      invariant(this.#content.keys[version - 1]?.key, 'a master key that becomes the active one is in the keyring');
      await this.#keep({ ...this.#content, active: version });
    });
  }

  removeBefore(version: number): Promise<void> {
    return this.#inTurn(async () => {
      invariant(version <= this.active, 'the active master key is not removed');
      if (version > this.oldest) await this.#keep(withoutKeys(this.#content, version));
    });
  }

  file(): Buffer {
    return encodeKeyring(this.#content);
  }

  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      const content = await loadKeyring(this.#first);
      if (content?.identity.equals(this.#content.identity) && !isNewer(this.#content, content)) this.#adopt(content);
    });
  }

  keepIn(volumes: readonly Volume[]): Promise<void> {
    return this.#inTurn(async () => {
      const bytes = encodeKeyring(this.#content);
      for (const volume of volumes) {
        const found = await loadKeyring(volume).catch((error: unknown) => {
          if (error instanceof KeyringError) return undefined;
          throw error;
        });
        if (found && !found.identity.equals(this.#content.identity)) throw twoKeyrings(found, this.#content);
        if (!found || !encodeKeyring(found).equals(bytes)) await store(volume, this.#content);
      }
      this.#volumes = volumes;
    });
  }

  get #first(): Volume {
    return this.#volumes[0] as Volume;
  }

  /** One after the other: two changes at once would write two keys under one version and lose the first. */
  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** In all of them or not at all: half a change is finished by the next opening, and was told to nobody. */
  async #keep(content: KeyringContent): Promise<void> {
    await Promise.all(this.#volumes.map((volume) => store(volume, content)));
    this.#adopt(content);
  }

  /** What another node gave, or else what was prepared here; undefined where that is nothing that can be read. */
  async #from(file: Buffer | undefined): Promise<KeyringContent | undefined> {
    try {
      const bytes = file ?? (await readFile(this.#first, preparedName, limits.keyringBytes));
      return bytes && decodeKeyring(bytes);
    } catch (error) {
      if (error instanceof CorruptionError) return undefined;
      throw error;
    }
  }

  async #open(bytes: Buffer, context: Uint8Array): Promise<Buffer | undefined> {
    const version = sealedUnder(bytes);
    if (version === undefined) return undefined;
    // Another thread may have taken a key: a version not known yet is looked for in the file.
    if (version > this.#wrapping.length && version <= limits.masterKeys) await this.refresh();
    const key = this.#wrapping[version - 1];
    if (!key) return undefined;
    const header = bytes.subarray(0, sealedHeaderBytes);
    return openBox(key, bytes.subarray(sealedHeaderBytes), Buffer.concat([header, context]));
  }

  #adopt(content: KeyringContent): void {
    this.#content = content;
    this.#wrapping = content.keys.map(({ key }) => key && wrappingKey(key));
  }
}

/**
 * Opens the keyring of a store.
 * @throws KeyringError when it is missing, damaged or another store's
 */
export async function openKeyring(options: KeyringOptions): Promise<Keyring> {
  const { volume, copies = [], host, create, expected } = options;
  let content = await newestKeyring([volume, ...copies], expected);
  if (!content) {
    if (!create || expected !== undefined) {
      throw new KeyringError(
        `There is no keyring file, but the store holds data sealed with one. Put your backup of keys/${fileName} back and start again. If it is lost, the data cannot be opened by anybody; start with an empty data directory then.`,
      );
    }
    content = { identity: host.entropy.bytes(16), active: 1, keys: [fresh(host, 1)] };
    await store(volume, content);
  }
  return new LocalKeyring(options, content);
}
