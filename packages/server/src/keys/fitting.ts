import { readFile, type Volume } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { decodeKeyring, fingerprintOf, type KeyringContent } from './format.ts';

/* Which keyring file is the right one: the newest of the copies that are this store's. */

export const fileName = 'keyring';

/** The keyring cannot be used; the message says what to do. The server must not start. */
export class KeyringError extends Error {
  override readonly name = 'KeyringError';
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

/** Reads the file, or undefined when there is none. @throws KeyringError where it cannot be read */
export async function loadKeyring(volume: Volume): Promise<KeyringContent | undefined> {
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

export const twoKeyrings = (one: KeyringContent, other: KeyringContent): KeyringError =>
  new KeyringError(
    `The directories hold two different keyrings (${one.identity.toString('hex')} and ${other.identity.toString('hex')}): keys/${fileName} of one of them belongs to another store. Move that file away and start again.`,
  );

/** Every change of a keyring makes one of these larger, and none smaller: a key is added, becomes the active one, or goes. */
const progressOf = ({ keys, active }: KeyringContent): readonly number[] => [
  keys.length,
  active,
  keys.filter(({ key }) => key === undefined).length,
];

/** Whether a change has made the one out of the other. */
export function isNewer(one: KeyringContent, other: KeyringContent): boolean {
  const [a, b] = [progressOf(one), progressOf(other)];
  const at = a.findIndex((part, i) => part !== b[i]);
  return at >= 0 && (a[at] as number) > (b[at] as number);
}

/** The newest of the copies; undefined when there is none. A copy that cannot be used matters only where it is the only one. */
export async function newestKeyring(
  volumes: readonly Volume[],
  expected: string | undefined,
): Promise<KeyringContent | undefined> {
  let best: KeyringContent | undefined;
  let refused: KeyringError | undefined;
  for (const one of volumes) {
    let content: KeyringContent | undefined;
    try {
      content = await loadKeyring(one);
      if (content && expected !== undefined) checkFingerprint(content, expected);
    } catch (error) {
      if (!(error instanceof KeyringError)) throw error;
      refused ??= error;
      continue;
    }
    if (content && best && !best.identity.equals(content.identity)) throw twoKeyrings(best, content);
    if (content && (!best || isNewer(content, best))) best = content;
  }
  if (!best && refused) throw refused;
  return best;
}
