import type { Effect } from './effects.ts';
import { fits } from './fits.ts';
import { keys } from './keys.ts';
import type { Application } from './manifests.ts';
import { decodePieceRow } from './pieces.ts';
import { QuotaView } from './quota-view.ts';
import { decodeUsage, encodeQuota, encodeSubject, encodeUsage, type QuotaSubject, tenantOf } from './quotas.ts';
import type { BucketCounts, BucketId, Piece } from './records.ts';
import { decodeNumber, encodeNumber } from './rows.ts';
import type { VersionRow } from './versions.ts';
import type { View } from './view.ts';

/*
 * Counting for quotas, in the entry of the change that is counted. Parts of uploads are counted since the feature `quotas` is on; of an upload that was open
 * before, all of them from its next part on.
 */

/** Of the upload with this id. */
export const sequenceOf = (id: Buffer): number => id.readUInt32BE(0) * 2 ** 32 + id.readUInt32BE(4);

/** Every part of a format that there may be: as in apply.ts. */
const ANY_PART = 0x1_0000;

/** What a bucket holds changed, so what its tenant holds did, where that is a row. */
export function meter(
  app: Application,
  bucket: BucketId,
  change: Partial<BucketCounts>,
  row: VersionRow | undefined,
): void {
  const objects = change.versions ?? 0;
  const bytes = (change.bytes ?? 0) + (change.partBytes ?? 0);
  if (row) meterVersion(app, row, objects);
  if (objects !== 0 || bytes !== 0) meterTenant(app, bucket, objects, bytes);
}

/** A version comes or goes, and so does what it is for the user whom it counts for. */
function meterVersion(app: Application, row: VersionRow, by: number): void {
  const at = keys.charge(row.sequence);
  const user = app.rows.get(at)?.toString();
  if (user === undefined) return;
  charge(app, user, by, by * row.size);
  if (by < 0) app.rows.set(at, undefined);
}

function charge(app: Application, user: string, objects: number, bytes: number): void {
  const key = keys.usage(user);
  const row = app.rows.get(key);
  const held = row ? decodeUsage(row) : { objects: 0, bytes: 0 };
  const next = { objects: held.objects + objects, bytes: held.bytes + bytes };
  fits(next.objects >= 0 && next.bytes >= 0, 'what a user has written stays above zero');
  fits(Number.isSafeInteger(next.bytes), 'what a user has written stays below 2^53');
  put(app, key, encodeUsage(next));
}

function meterTenant(app: Application, bucket: BucketId, objects: number, bytes: number): void {
  const record = app.view.bucket(bucket);
  fits(record, 'the bucket of what is counted exists');
  const key = keys.usage(tenantOf(record.owner));
  const row = app.rows.get(key);
  if (!row) return;
  const held = decodeUsage(row);
  const next = { objects: held.objects + objects, bytes: held.bytes + bytes };
  fits(next.objects >= 0 && next.bytes >= 0, 'what a tenant has stays above zero');
  fits(Number.isSafeInteger(next.bytes), 'what a tenant has stays below 2^53');
  app.rows.set(key, encodeUsage(next));
}

/** What a part does to the bytes of its upload. `row`: the part that is at its place already. */
export function partBytes(
  view: View,
  upload: Buffer,
  part: Piece,
  row: Buffer | undefined,
): { readonly total: number; readonly change: number } {
  const counted = view.rows.get(keys.partBytes(upload));
  let there = 0;
  if (counted) there = decodeNumber(counted);
  else
    for (const { row: each } of view.pieces(upload, 0, ANY_PART)) there += each.kind === 'piece' ? each.piece.size : 0;
  const old = row && decodePieceRow(row);
  const total = there + part.size - (old?.kind === 'piece' ? old.piece.size : 0);
  return { total, change: total - (counted ? there : 0) };
}

/** A part is about to take its place. */
export function meterPart(
  app: Application,
  bucket: BucketId,
  upload: Buffer,
  part: Piece,
  row: Buffer | undefined,
): void {
  if (!app.view.has('quotas')) return;
  const { total, change } = partBytes(app.view, upload, part, row);
  app.rows.set(keys.partBytes(upload), encodeNumber(total));
  const user = app.rows.get(keys.charge(sequenceOf(upload)))?.toString();
  if (user !== undefined) charge(app, user, 0, change);
  app.count(bucket, { partBytes: change });
}

/** An upload ends: what its parts had is no more counted as that. */
export function takePartBytes(app: Application, upload: Buffer): number {
  const [key, at] = [keys.partBytes(upload), keys.charge(sequenceOf(upload))];
  const [row, user] = [app.rows.get(key), app.rows.get(at)?.toString()];
  const bytes = row ? decodeNumber(row) : 0;
  if (user !== undefined) charge(app, user, 0, -bytes);
  app.rows.set(key, undefined);
  app.rows.set(at, undefined);
  return bytes;
}

/** Keeps account of how many rows there are, so that a shard without any looks for none. */
function put(app: Application, key: Buffer, value: Buffer | undefined): void {
  const change = Number(value !== undefined) - Number(app.rows.get(key) !== undefined);
  app.rows.set(key, value);
  if (change === 0) return;
  const at = keys.quotaRows();
  const row = app.rows.get(at);
  const rows = (row ? decodeNumber(row) : 0) + change;
  fits(rows >= 0, 'rows of quotas are counted');
  app.rows.set(at, rows === 0 ? undefined : encodeNumber(rows));
}

/** The subject goes, and what is kept of it with it. */
export function forgetQuota(app: Application, subject: QuotaSubject): void {
  if (!app.view.isMetered()) return;
  put(app, keys.quota(encodeSubject(subject)), undefined);
  if (subject.kind === 'tenant') put(app, keys.usage(subject.account), undefined);
  // What he has written and what is left of it is counted on: it may be removed after him.
  const nothing = encodeUsage({ objects: 0, bytes: 0 });
  if (subject.kind === 'user' && app.rows.get(keys.usage(subject.user))?.equals(nothing))
    put(app, keys.usage(subject.user), undefined);
}

type Handler<Type extends Effect['type']> = (app: Application, effect: Extract<Effect, { type: Type }>) => void;

export const quotaHandlers: { readonly [Type in 'quota.write' | 'usage.charge' | 'usage.begin']: Handler<Type> } = {
  'quota.write'(app, { subject, quota }) {
    const key = keys.quota(encodeSubject(subject));
    fits(quota !== null || app.rows.get(key), 'a quota that is removed exists');
    put(app, key, quota === null ? undefined : encodeQuota(quota));
  },
  'usage.charge'(app, { sequence, user }) {
    app.rows.set(keys.charge(sequence), Buffer.from(user));
    // From here on this shard looks for charges.
    charge(app, user, 0, 0);
  },
  'usage.begin'(app, { account }) {
    const key = keys.usage(account);
    fits(app.rows.get(key) === undefined, 'what a tenant has is counted once');
    put(app, key, encodeUsage(new QuotaView(app.view).usage({ kind: 'tenant', account })));
  },
};
