import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { crc32c } from '../codec/index.ts';

/*
 * The file `identity` of a data directory (docs/formats/directory.md): which store it belongs to, whether it is the one with metadata and keys, and
 * the fingerprint of the store's keyring, so that another keyring is refused before anything is opened with it.
 *
 * Format 2 is format 1 with the fingerprint and a checksum. The checksum is there because each digit matters: a changed one would otherwise look like
 * the keyring, or the device, of another store.
 */

const first = z.strictObject({ format: z.literal(1), store: z.uuid(), primary: z.boolean() });
const second = z.strictObject({
  format: z.literal(2),
  store: z.uuid(),
  primary: z.boolean(),
  /** Of the primary directory only. */
  keyring: z
    .string()
    .regex(/^[1-9]\d{0,5}-[0-9a-f]{32}$/)
    .optional(),
  check: z.string(),
});

export interface Identity {
  /** UUID. */
  readonly store: string;
  readonly primary: boolean;
  /** Fingerprint; undefined in files of format 1, and of directories that are not primary. */
  readonly keyring: string | undefined;
}

export const identityFile = (directory: string): string => path.join(directory, 'identity');

function textOf({ store, primary, keyring }: Identity): string {
  const body = { format: 2, store, primary, ...(keyring !== undefined && { keyring }) };
  const check = crc32c(Buffer.from(JSON.stringify(body)))
    .toString(16)
    .padStart(8, '0');
  return `${JSON.stringify({ ...body, check })}\n`;
}

/** @throws an Error whose message says, in a few words, why it cannot be read */
export function decodeIdentity(text: string): Identity {
  const parsed: unknown = JSON.parse(text);
  const { format } = z.looseObject({ format: z.number() }).parse(parsed);
  if (format > 2) throw new Error(`it has format ${format}: a newer version of DSOM wrote it`);
  if (format === 1) return { ...first.parse(parsed), keyring: undefined };
  const { check: _, format: _format, ...found } = second.parse(parsed);
  const identity = { ...found, keyring: found.keyring };
  if (textOf(identity).trim() !== text.trim()) throw new Error('its checksum is wrong');
  return identity;
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
