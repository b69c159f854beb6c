import { hkdfSync } from 'node:crypto';
import { readFile, replaceFile, type Volume } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { isBlank, keyBytes, nonceBytes, openBox, sealBox } from './box.ts';
import { decodeKeyring, encodeKeyring, type KeyringContent } from './format.ts';
import type { KeyService } from './types.ts';

/*
 * The keyring: the local key service.
 *
 * One small file holds every version of the master key; the active one wraps, all unwrap. What it wraps says which
 * version did it, so a rotation changes nothing that exists: old keys are wrapped anew when their owners are next written.
 * The master key itself never encrypts: a key for wrapping is derived from it, so that later uses (tokens, links
 * between nodes) get keys of their own.
 *
 * The file is replaced whole (new name, sync, rename, sync of the directory), so a crash leaves the old or the new one.
 * Losing it means losing every object; therefore nothing here ever writes a new keyring over a missing or damaged one
 * unless the caller says that the store is empty. A fall-back to a built-in or blank key was rejected for good: a store that
 * seals with a key everyone knows is worse than one that does not start.
 */

const fileName = 'keyring';
const formatVersion = 1;
const headerBytes = 5;
const derivation = Buffer.from('dsom master wrap 1', 'latin1');
const fingerprinting = Buffer.from('dsom keyring fingerprint 1', 'latin1');
const fingerprintBytes = 16;

/** The local key service. */
export interface Keyring extends KeyService {
  /** 32 hexadecimal digits, made with the keyring. */
  readonly identity: string;
  /**
   * Says which keyring this is and how many keys it holds, without telling anything of them: `3-` and 32 hexadecimal digits. A store remembers it,
   * and gives it to the next opening as `expected`.
   */
  readonly fingerprint: string;
  /** Version of the master key that wraps. */
  readonly active: number;
  /** Adds a new master key and makes it the active one; durable everywhere when it resolves. Other threads learn of it when they meet it. */
  rotate(): Promise<void>;
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

/** The keyring cannot be used; the message says what to do. The server must not start. */
export class KeyringError extends Error {
  override readonly name = 'KeyringError';
}

function wrappingKey(master: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), derivation, keyBytes));
}

/** Derived one-way from the identity and the first `count` keys: whoever has it learns nothing, and a keyring with another key in it has another. */
function fingerprintOf({ identity, keys }: KeyringContent, count: number): string {
  const all = Buffer.concat(keys.slice(0, count).map(({ key }) => key));
  return `${count}-${Buffer.from(hkdfSync('sha256', all, identity, fingerprinting, fingerprintBytes)).toString('hex')}`;
}

/** @throws KeyringError when data of the store was sealed with another keyring, or with keys that this one has not */
function checkFingerprint(content: KeyringContent, expected: string): void {
  const restore = `Put the newest backup of this store's keys/${fileName} back and start again.`;
  const count = Number(/^([1-9]\d*)-[0-9a-f]{32}$/.exec(expected)?.[1]);
  invariant(Number.isSafeInteger(count), 'a fingerprint is a number and 32 hexadecimal digits');
  if (fingerprintOf(content, Math.min(count, content.keys.length)) === expected) return;
  const identity = content.identity.toString('hex');
  if (content.keys.length < count) {
    throw new KeyringError(
      `This keyring (${identity}) holds ${content.keys.length} of the ${count} keys that this store was opened with before: it is another store's, or an old backup. ${restore}`,
    );
  }
  throw new KeyringError(`This keyring (${identity}) belongs to another store. ${restore}`);
}

/** Reads the file, or undefined when there is none. */
async function load(volume: Volume): Promise<KeyringContent | undefined> {
  try {
    const bytes = await readFile(volume, fileName, limits.keyringBytes);
    return bytes && decodeKeyring(bytes);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    throw new KeyringError(
      `The keyring file cannot be read: ${error.message}. Without it no object can be opened. Put your backup of keys/${fileName} back and start again.`,
      { cause: error },
    );
  }
}

const store = (volume: Volume, content: KeyringContent): Promise<void> =>
  replaceFile(volume, fileName, encodeKeyring(content));

function fresh(host: Host, version: number) {
  const key = host.entropy.bytes(keyBytes);
  invariant(key.length === keyBytes && !isBlank(key), 'a master key is 32 random bytes');
  return { version, createdMs: host.clock.now(), key };
}

class LocalKeyring implements Keyring {
  readonly identity: string;
  readonly #host: Host;
  /** Where it is kept; reads go to the first. */
  #volumes: readonly Volume[];
  #content: KeyringContent;
  /** Derived keys; version n is at n - 1. */
  #wrapping: Buffer[];
  #turn: Promise<void> = Promise.resolve();

  constructor(options: KeyringOptions, content: KeyringContent) {
    this.#host = options.host;
    this.#volumes = [options.volume];
    this.#content = content;
    this.#wrapping = content.keys.map(({ key }) => wrappingKey(key));
    this.identity = content.identity.toString('hex');
  }

  get active(): number {
    return this.#content.active;
  }

  get fingerprint(): string {
    return fingerprintOf(this.#content, this.#content.keys.length);
  }

  async wrap(plain: Uint8Array, context: Uint8Array): Promise<Buffer> {
    const header = Buffer.allocUnsafe(headerBytes);
    header[0] = formatVersion;
    header.writeUInt32LE(this.active, 1);
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

  rotate(): Promise<void> {
    // One after the other: two at once would write two keys under one version and lose the first.
    const turn = this.#turn.then(() => this.#rotate());
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async keepIn(volumes: readonly Volume[]): Promise<void> {
    await this.#turn;
    for (const volume of volumes) {
      const found = await load(volume).catch((error: unknown) => {
        if (error instanceof KeyringError) return undefined;
        throw error;
      });
      if (found && !found.identity.equals(this.#content.identity)) throw twoKeyrings(found, this.#content);
      if (found?.keys.length !== this.#content.keys.length) await store(volume, this.#content);
    }
    this.#volumes = volumes;
  }

  async #rotate(): Promise<void> {
    const { identity, keys } = this.#content;
    if (keys.length >= limits.masterKeys) throw new KeyringError(`The keyring is full: it holds ${keys.length} keys.`);
    const added = fresh(this.#host, keys.length + 1);
    const next = { identity, active: added.version, keys: [...keys, added] };
    // In all of them or not at all: half a rotation is finished by the next opening, and was told to nobody.
    await Promise.all(this.#volumes.map((volume) => store(volume, next)));
    this.#adopt(next);
  }

  async #open(bytes: Buffer, context: Uint8Array): Promise<Buffer | undefined> {
    if (bytes.length < headerBytes || bytes[0] !== formatVersion) return undefined;
    const version = bytes.readUInt32LE(1);
    if (version > this.#wrapping.length && version <= limits.masterKeys) await this.#refresh();
    const key = this.#wrapping[version - 1];
    if (!key) return undefined;
    return openBox(key, bytes.subarray(headerBytes), Buffer.concat([bytes.subarray(0, headerBytes), context]));
  }

  /** Another thread may have rotated: a version not known yet is looked for in the file. */
  async #refresh(): Promise<void> {
    const content = await load(this.#volumes[0] as Volume);
    if (content?.identity.equals(this.#content.identity) && content.keys.length > this.#content.keys.length)
      this.#adopt(content);
  }

  #adopt(content: KeyringContent): void {
    this.#content = content;
    this.#wrapping = content.keys.map(({ key }) => wrappingKey(key));
  }
}

const twoKeyrings = (one: KeyringContent, other: KeyringContent): KeyringError =>
  new KeyringError(
    `The directories hold two different keyrings (${one.identity.toString('hex')} and ${other.identity.toString('hex')}): keys/${fileName} of one of them belongs to another store. Move that file away and start again.`,
  );

/** The newest of the copies; undefined when there is none. A copy that cannot be used matters only where it is the only one. */
async function newest({ volume, copies = [], expected }: KeyringOptions): Promise<KeyringContent | undefined> {
  let best: KeyringContent | undefined;
  let refused: KeyringError | undefined;
  for (const one of [volume, ...copies]) {
    let content: KeyringContent | undefined;
    try {
      content = await load(one);
      if (content && expected !== undefined) checkFingerprint(content, expected);
    } catch (error) {
      if (!(error instanceof KeyringError)) throw error;
      refused ??= error;
      continue;
    }
    if (content && best && !best.identity.equals(content.identity)) throw twoKeyrings(best, content);
    if (content && content.keys.length > (best?.keys.length ?? 0)) best = content;
  }
  if (!best && refused) throw refused;
  return best;
}

/**
 * Opens the keyring of a store.
 * @throws KeyringError when it is missing, damaged or another store's
 */
export async function openKeyring(options: KeyringOptions): Promise<Keyring> {
  const { volume, host, create, expected } = options;
  let content = await newest(options);
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
