import { createHash, timingSafeEqual } from 'node:crypto';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { authorityHash } from './authority.ts';

/*
 * An invitation: one line that makes one node a member.
 *
 *   dsom-join:1/ADDRESS/HASH/ID/SECRET/UNTIL
 *   dsom-join:2/ADDRESS,ADDRESS,…/HASH/ID/SECRET/UNTIL
 *
 * Whoever holds the line may join once. The hash pins the cluster's authority, so that the node tells the secret to the cluster alone; the
 * secret proves to the cluster that the node was invited, and opens what it is given. The cluster keeps a hash of the secret only.
 */

const scheme = 'dsom-join:';
/** By how many addresses there are: one, or several. */
const versions = { one: '1', several: '2' } as const;
const separator = ',';
const idBytes = 16;
const secretBytes = 32;
const hashBytes = 32;

export interface Invitation {
  /** `host:port` of nodes that take joiners, with commas between them. */
  readonly address: string;
  /** SHA-256 of the authority's certificate. */
  readonly authorityHash: Buffer;
  readonly id: Buffer;
  readonly secret: Buffer;
  readonly untilMs: number;
}

/** What the cluster keeps of an invitation. */
export interface InvitationRecord {
  /** Hexadecimal. */
  readonly id: string;
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer;
  readonly untilMs: number;
}

/** Where invitations are kept. `take` must be true for one caller at most, whatever happens at the same time. */
export interface InvitationStore {
  add(invitation: InvitationRecord): Promise<void>;
  find(id: string): Promise<InvitationRecord | undefined>;
  /** Removes it; true when it was there. */
  take(id: string): Promise<boolean>;
}

/** The text is no invitation; the message says what to do. */
export class InvitationError extends Error {
  override readonly name = 'InvitationError';
}

export const secretHash = (secret: Uint8Array): Buffer => createHash('sha256').update(secret).digest();

export interface NewInvitation {
  readonly host: Host;
  readonly store: InvitationStore;
  /** One address, or several with commas between them. */
  readonly address: string;
  /** Certificate of the authority that the nodes at `address` have their certificates from, PEM. */
  readonly authority: string;
  /** Left out: `limits.invitationMs`. */
  readonly validMs?: number;
}

/** @returns the line, which exists nowhere else and cannot be shown again */
export async function createInvitation(
  options: NewInvitation,
): Promise<{ readonly line: string; readonly untilMs: number }> {
  const { host, store, address, authority, validMs = limits.invitationMs } = options;
  const invitation: Invitation = {
    address,
    authorityHash: authorityHash(authority),
    id: host.entropy.bytes(idBytes),
    secret: host.entropy.bytes(secretBytes),
    untilMs: Math.floor((host.clock.now() + validMs) / 1000) * 1000,
  };
  const { id, secret, untilMs } = invitation;
  await store.add({ id: id.toString('hex'), secretHash: secretHash(secret), untilMs });
  return { line: formatInvitation(invitation), untilMs };
}

export function formatInvitation({ address, authorityHash: hash, id, secret, untilMs }: Invitation): string {
  const fields = [hash, id, secret].map((bytes) => bytes.toString('base64url'));
  const version = address.includes(separator) ? versions.several : versions.one;
  return `${scheme}${[version, address, ...fields, Math.floor(untilMs / 1000)].join('/')}`;
}

/** @throws InvitationError */
export function parseInvitation(line: string): Invitation {
  const text = line.trim();
  const fields = text.slice(scheme.length).split('/');
  const bytes = (index: number, length: number): Buffer | undefined => {
    const given = fields[index] ?? '';
    const read = Buffer.from(given, 'base64url');
    return read.length === length && read.toString('base64url') === given ? read : undefined;
  };
  const [address, hash, id, secret] = [fields[1], bytes(2, hashBytes), bytes(3, idBytes), bytes(4, secretBytes)];
  const seconds = /^(0|[1-9]\d{0,11})$/.test(fields[5] ?? '') ? Number(fields[5]) : undefined;
  const { one, several } = versions;
  const known = fields[0] === one || fields[0] === several;
  if (text.startsWith(scheme) && !known && /^\d+$/.test(fields[0] ?? ''))
    throw new InvitationError(
      'This invitation was made by another version of DSOM. Install the version of the cluster.',
    );
  const fits = address?.includes(separator) === (fields[0] === several);
  if (
    !text.startsWith(scheme) ||
    !known ||
    fields.length !== 6 ||
    !address ||
    !fits ||
    !hash ||
    !id ||
    !secret ||
    seconds === undefined
  )
    throw new InvitationError('This is no invitation. Copy the whole line, from dsom-join: to its end.');
  return { address, authorityHash: hash, id, secret, untilMs: seconds * 1000 };
}

/** The addresses to try, in order. */
export const addressesOf = ({ address }: Invitation): string[] =>
  address.split(separator).slice(0, limits.invitationAddresses);

/** Whether the secret is that of the invitation and the invitation still good; takes the same time whatever is wrong with the secret. */
export function isGood(record: InvitationRecord | undefined, secret: Uint8Array, nowMs: number): boolean {
  const same = timingSafeEqual(secretHash(secret), record?.secretHash ?? Buffer.alloc(hashBytes));
  return record !== undefined && same && nowMs < record.untilMs;
}

/** Invitations in the memory of one thread, the newest `limits.invitations`. */
export function memoryInvitations(): InvitationStore {
  const kept = new Map<string, InvitationRecord>();
  return {
    async add(record) {
      for (const oldest of kept.keys()) {
        if (kept.size < limits.invitations) break;
        kept.delete(oldest);
      }
      kept.set(record.id, record);
    },
    find: async (id) => kept.get(id),
    take: async (id) => kept.delete(id),
  };
}
