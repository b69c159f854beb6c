import type { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import type { ChecksumAlgorithm, ObjectChecksum, ObjectHeaders, Policy, Redundancy } from './records.ts';

/* Byte forms of the values that several records share. Numbers of a code table are never reused. */

type Pairs = readonly (readonly [string, string])[];

const algorithms: readonly ChecksumAlgorithm[] = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
];
/** Of the last algorithm that every version knows; those behind it came with the feature `newerChecksums`. */
const LAST_OLD = 5;
const COMPOSITE = 0x10;

/** 0: none; low bits 1 to 10: algorithm; 0x10: composite. */
export function checksumCode(checksum: Pick<ObjectChecksum, 'algorithm' | 'type'> | undefined): number {
  if (!checksum) return 0;
  return (algorithms.indexOf(checksum.algorithm) + 1) | (checksum.type === 'COMPOSITE' ? COMPOSITE : 0);
}

export function checksumKind(code: number): Pick<ObjectChecksum, 'algorithm' | 'type'> | undefined {
  if (code === 0) return undefined;
  const algorithm = algorithms[(code & ~COMPOSITE) - 1];
  if (!algorithm) throw new CorruptionError('unknown checksum algorithm');
  return { algorithm, type: code & COMPOSITE ? 'COMPOSITE' : 'FULL_OBJECT' };
}

/** Whether not every version of a cluster can read what has this code, with 0x10 or without. */
export const isNewerChecksum = (code: number): boolean => (code & ~COMPOSITE) > LAST_OLD;

/** 0: none, else 1 to 10. */
export const algorithmCode = (algorithm: ChecksumAlgorithm | undefined): number =>
  algorithm === undefined ? 0 : algorithms.indexOf(algorithm) + 1;

export function algorithmOf(code: number): ChecksumAlgorithm | undefined {
  if (code === 0) return undefined;
  const algorithm = algorithms[code - 1];
  if (!algorithm) throw new CorruptionError('unknown checksum algorithm');
  return algorithm;
}

/** Any entry of `values` as its index. */
export function choice<Value>(values: readonly Value[], code: number, what: string): Value {
  if (code >= values.length) throw new CorruptionError(`unknown ${what}`);
  return values[code] as Value;
}

export function writePairs(out: ByteWriter, pairs: Pairs): void {
  out.varint(pairs.length);
  for (const [name, value] of pairs) out.string(name).string(value);
}

export function readPairs(from: ByteReader): Pairs {
  const pairs: [string, string][] = [];
  for (let left = count(from); left > 0; left--) pairs.push([from.string(), from.string()]);
  return pairs;
}

/** A number of things that take at least one byte each: more than there are bytes left cannot be true. */
export function count(from: ByteReader): number {
  const value = from.varint();
  if (value > from.remaining) throw new CorruptionError('record counts more than it holds');
  return value;
}

const headerNames = [
  'contentType',
  'contentEncoding',
  'contentDisposition',
  'contentLanguage',
  'cacheControl',
  'expires',
  'websiteRedirectLocation',
] as const satisfies readonly (keyof ObjectHeaders)[];

/** A bit for each header that is there, then their values in this order. */
export function writeHeaders(out: ByteWriter, headers: ObjectHeaders): void {
  let bits = 0;
  for (let i = 0; i < headerNames.length; i++) if (headers[headerNames[i]!] !== undefined) bits |= 1 << i;
  out.u8(bits);
  for (const name of headerNames) {
    const value = headers[name];
    if (value !== undefined) out.string(value);
  }
}

export function readHeaders(from: ByteReader): ObjectHeaders {
  const bits = from.u8();
  if (bits >= 1 << headerNames.length) throw new CorruptionError('unknown object header');
  const headers: { -readonly [Name in keyof ObjectHeaders]: string } = {};
  for (let i = 0; bits >> i; i++) if (bits & (1 << i)) headers[headerNames[i]!] = from.string();
  return headers;
}

/** The record was read to its last byte. */
export function ended<Value>(from: ByteReader, value: Value): Value {
  if (from.remaining !== 0) throw new CorruptionError(`record has ${from.remaining} bytes too many`);
  return value;
}

/** A redundancy where there is one: kind u8 (1 copies, 2 code), then its numbers as varints. */
function writeRedundancy(out: ByteWriter, redundancy: Redundancy): ByteWriter {
  if ('copies' in redundancy) return out.u8(1).varint(redundancy.copies);
  return out.u8(2).varint(redundancy.data).varint(redundancy.parity);
}

function readRedundancy(from: ByteReader): Redundancy {
  return redundancyOfKind(from.u8(), from);
}

function redundancyOfKind(kind: number, from: ByteReader): Redundancy {
  if (kind === 1) return { copies: from.varint() };
  if (kind === 2) return { data: from.varint(), parity: from.varint() };
  throw new CorruptionError(`unknown kind ${kind} of redundancy`);
}

/** A policy: a redundancy, or kind 3 and hot, cold, idle time in ms as a varint. */
export function writePolicy(out: ByteWriter, policy: Policy): ByteWriter {
  if (!('hot' in policy)) return writeRedundancy(out, policy);
  writeRedundancy(out.u8(3), policy.hot);
  return writeRedundancy(out, policy.cold).varint(policy.afterIdleMs);
}

export function readPolicy(from: ByteReader): Policy {
  const kind = from.u8();
  if (kind !== 3) return redundancyOfKind(kind, from);
  return { hot: readRedundancy(from), cold: readRedundancy(from), afterIdleMs: from.varint() };
}

/** The format of a record that has had two: the second only where the first cannot say it. */
export function formatOf(from: ByteReader, newest: number, what: string): number {
  const found = from.u8();
  if (found < 1 || found > newest) throw new CorruptionError(`${what} has unknown format ${found}`);
  return found;
}

export function format(from: ByteReader, version: number, what: string): void {
  const found = from.u8();
  if (found !== version) throw new CorruptionError(`${what} has unknown format ${found}`);
}
