import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { crc32c } from '../codec/index.ts';

/*
 * The file `identity` of a data directory (docs/formats/directory.md): which store it belongs to, what of the metadata it holds, and, where it holds
 * some, the fingerprint of the store's keyring, so that another keyring is refused before anything is opened with it.
 *
 * Format 2 is format 1 with the fingerprint and a checksum. The checksum is there because each digit matters: a changed one would otherwise look like
 * the keyring, or the device, of another store. Format 3 has a role in the place of "primary or not".
 */

const fingerprint = z
  .string()
  .regex(/^[1-9]\d{0,5}-[0-9a-f]{32}$/)
  .optional();
const first = z.strictObject({ format: z.literal(1), store: z.uuid(), primary: z.boolean() });
const second = z.strictObject({
  format: z.literal(2),
  store: z.uuid(),
  primary: z.boolean(),
  keyring: fingerprint,
  check: z.string(),
});
const third = z.strictObject({
  format: z.literal(3),
  store: z.uuid(),
  role: z.enum(['primary', 'mirror', 'member']),
  keyring: fingerprint,
  check: z.string(),
});

/**
 * `primary`: the log, the KV and the keyring, from which the server runs. `mirror`: the log, a snapshot of the state and the keyring, from which the
 * rest can be made anew. `member`: stripes only, as every directory has.
 */
export type Role = 'primary' | 'mirror' | 'member';

export interface Identity {
  /** UUID. */
  readonly store: string;
  readonly role: Role;
  /** Fingerprint; undefined in files of format 1, and of members. */
  readonly keyring: string | undefined;
}

export const identityFile = (directory: string): string => path.join(directory, 'identity');

/** With its checksum at the end. */
function checkedText(body: Readonly<Record<string, unknown>>): string {
  const check = crc32c(Buffer.from(JSON.stringify(body)))
    .toString(16)
    .padStart(8, '0');
  return `${JSON.stringify({ ...body, check })}\n`;
}

const textOf = ({ store, role, keyring }: Identity): string =>
  checkedText({ format: 3, store, role, ...(keyring !== undefined && { keyring }) });

/** @throws an Error whose message says, in a few words, why it cannot be read */
export function decodeIdentity(text: string): Identity {
  const parsed: unknown = JSON.parse(text);
  const { format } = z.looseObject({ format: z.number() }).parse(parsed);
  if (format > 3) throw new Error(`it has format ${format}: a newer version of DSOM wrote it`);
  if (format === 1) {
    const { store, primary } = first.parse(parsed);
    return { store, role: primary ? 'primary' : 'member', keyring: undefined };
  }
  const found = format === 2 ? second.parse(parsed) : third.parse(parsed);
  const { check: _, ...body } = found;
  if (checkedText(body).trim() !== text.trim()) throw new Error('its checksum is wrong');
  const role = 'role' in found ? found.role : found.primary ? 'primary' : 'member';
  return { store: found.store, role, keyring: found.keyring };
}

/** Replaces the file whole; durable when it returns. */
export function writeIdentity(directory: string, identity: Identity): void {
  const file = identityFile(directory);
  const fd = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(fd, textOf(identity));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
  const parent = openSync(directory, 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}
