import { ByteReader, ByteWriter } from '../codec/index.ts';
import { CorruptionError, type ErrorCode } from '../errors.ts';
import { type ShortReply, shortReply } from './answers.ts';
import { choice, count, ended, format } from './machine/fields.ts';
import { decodePieceRow, encodePieceRow } from './machine/pieces.ts';
import type { BucketCounts, ObjectVersion, VersionRecord } from './machine/records.ts';
import { decodeBucket, decodeCounts, decodeUpload, encodeBucket, encodeCounts, encodeUpload } from './machine/rows.ts';
import { decodeVersion, encodeVersion } from './machine/versions.ts';
import type { Command, DeleteResult, Reply } from './types.ts';

/*
 * Byte form of what a proposal was answered, for the one that comes again. A put is answered in short, because who repeats it has what he
 * sent; of a version that was deleted only what names it is kept. Formats of records within are their own.
 */

const kinds = ['done', 'bucket', 'version', 'deleted', 'upload', 'part', 'put'] as const;
const deleteErrors = [
  'PreconditionFailed',
  'NoSuchKey',
  'NoSuchVersion',
  'AccessDenied',
] as const satisfies readonly ErrorCode[];

const MARKER = 1;
const VERSION = 2;
const ERROR = 4;

/** What names a version that is gone, without its description and bytes. */
function named(version: VersionRecord): VersionRecord {
  if (version.kind === 'marker') return version;
  const { id, pieces, sealed } = version.manifest;
  const bare: Partial<ObjectVersion> = { headers: {}, metadata: [], tags: [], checksum: undefined, partSizes: [] };
  const manifest = { id, pieces, embedded: undefined, sealed };
  return { ...version, ...bare, wrappedKey: Buffer.alloc(0), manifest };
}

/** The answer as it can be given again. */
export function repeatable(reply: Reply): Reply {
  if (reply.type !== 'deleted') return reply;
  const results = reply.results.map((result) => ({ ...result, version: result.version && named(result.version) }));
  return { type: 'deleted', results };
}

export function encodeOutcome(command: Command, reply: Reply): Buffer {
  const short = shortReply(command, reply);
  const out = new ByteWriter(128).u8(1).u8(kinds.indexOf(short.type));
  switch (short.type) {
    case 'done':
      break;
    case 'bucket':
      out.bytes(encodeBucket(short.bucket)).bytes(encodeCounts(short.bucket.counts));
      break;
    case 'version':
      out.u8(Number(short.replacedNull)).bytes(encodeVersion(short.version, false));
      break;
    case 'deleted':
      out.varint(short.results.length);
      for (const result of short.results) writeResult(out, result);
      break;
    case 'upload':
      out.bytes(encodeUpload(short.upload));
      break;
    case 'part': {
      const { number, modifiedMs, piece } = short.part;
      out.varint(number).bytes(encodePieceRow({ kind: 'piece', modifiedMs, start: 0, piece }));
      break;
    }
    case 'put':
      out.raw(short.guk).varint(short.sequence).raw(short.nonce).u8(Number(short.isNull)).varint(short.modifiedMs);
      out.raw(short.manifest).varint(short.pieces).u8(Number(short.embedded)).u8(Number(short.replacedNull));
  }
  return out.finish();
}

function writeResult(out: ByteWriter, { marker, version, error }: DeleteResult): void {
  out.u8((marker ? MARKER : 0) | (version ? VERSION : 0) | (error ? ERROR : 0));
  if (version) out.bytes(encodeVersion(version, false));
  if (error) out.u8(deleteErrors.indexOf(error.code)).string(error.message);
}

const flag = (from: ByteReader): boolean => choice([false, true], from.u8(), 'flag');

function readResult(from: ByteReader): DeleteResult {
  const bits = from.u8();
  choice([true], bits >> 3, 'result of a deletion');
  const version = bits & VERSION ? decodeVersion(from.bytes()) : undefined;
  const error = bits & ERROR ? { code: choice(deleteErrors, from.u8(), 'refusal'), message: from.string() } : undefined;
  return { version, marker: (bits & MARKER) !== 0, error };
}

export function decodeOutcome(bytes: Buffer): ShortReply {
  const from = new ByteReader(bytes);
  format(from, 1, 'outcome of a request');
  const type = choice(kinds, from.u8(), 'kind of answer');
  return ended(from, replyOf(type, from));
}

function replyOf(type: (typeof kinds)[number], from: ByteReader): ShortReply {
  switch (type) {
    case 'done':
      return { type };
    case 'bucket': {
      const bucket = decodeBucket(from.bytes());
      const counts: BucketCounts = decodeCounts(from.bytes());
      return { type, bucket: { ...bucket, counts } };
    }
    case 'version': {
      const replacedNull = flag(from);
      const version = decodeVersion(from.bytes());
      if (version.kind !== 'object') throw new CorruptionError('a marker was not answered as a version');
      return { type, version, replacedNull };
    }
    case 'deleted':
      return { type, results: Array.from({ length: count(from) }, () => readResult(from)) };
    case 'upload':
      return { type, upload: decodeUpload(from.bytes()) };
    case 'part': {
      const number = from.varint();
      const row = decodePieceRow(from.bytes());
      if (row.kind !== 'piece') throw new CorruptionError('a part is not a piece');
      return { type, part: { number, modifiedMs: row.modifiedMs, piece: row.piece } };
    }
    case 'put': {
      const identity = { guk: from.raw(16), sequence: from.varint(), nonce: from.raw(8), isNull: flag(from) };
      const about = { modifiedMs: from.varint(), manifest: from.raw(16), pieces: from.varint() };
      return { type, ...identity, ...about, embedded: flag(from), replacedNull: flag(from) };
    }
  }
}
