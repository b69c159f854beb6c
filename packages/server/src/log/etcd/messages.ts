import type {
  Alarm,
  Compare,
  KeyValue,
  Member,
  MemberStatus,
  Operation,
  RangeAnswer,
  RangeRequest,
  Transaction,
  TransactionAnswer,
} from './types.ts';
import { fieldsOf, MessageWriter } from './wire.ts';

/*
 * etcd's messages, as far as they are used; numbers of fields as in etcd's api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto. They have
 * been the same since etcd 3.4; fields that are not known are passed over.
 */

function range({ key, end, limit, keysOnly, serializable }: RangeRequest): MessageWriter {
  const writer = new MessageWriter().text(1, key);
  if (end !== undefined) writer.text(2, end);
  return writer
    .number(3, limit ?? 0)
    .flag(7, serializable ?? false)
    .flag(8, keysOnly ?? false);
}

export const encodeRange = (request: RangeRequest): Buffer => range(request).finish();

const target = { created: 1, value: 3 } as const;
const greater = 1;

function compare(one: Compare): MessageWriter {
  const writer = new MessageWriter();
  if ('present' in one) return writer.number(1, greater).number(2, target.created).text(3, one.key).chosen(5, 0);
  if ('created' in one) return writer.number(2, target.created).text(3, one.key).chosen(5, one.created);
  return writer.number(2, target.value).text(3, one.key).bytes(7, one.value);
}

function operation(one: Operation): MessageWriter {
  if ('range' in one) return new MessageWriter().message(1, range(one.range));
  if ('put' in one) {
    const { key, value, lease } = one.put;
    return new MessageWriter().message(
      2,
      new MessageWriter()
        .text(1, key)
        .bytes(2, value)
        .number(3, lease ?? 0),
    );
  }
  const { key, end } = one.remove;
  const writer = new MessageWriter().text(1, key);
  return new MessageWriter().message(3, end === undefined ? writer : writer.text(2, end));
}

export function encodeTransaction(transaction: Transaction): Buffer {
  const writer = new MessageWriter();
  for (const one of transaction.compare) writer.message(1, compare(one));
  for (const one of transaction.success) writer.message(2, operation(one));
  for (const one of transaction.failure ?? []) writer.message(3, operation(one));
  return writer.finish();
}

function decodePair(message: Buffer): KeyValue {
  let key = '';
  let value = Buffer.alloc(0);
  let [created, modified, lease] = [0, 0, 0];
  for (const one of fieldsOf(message)) {
    if (one.field === 1) key = one.bytes.toString();
    else if (one.field === 2) created = one.number;
    else if (one.field === 3) modified = one.number;
    else if (one.field === 5) value = one.bytes as Buffer<ArrayBuffer>;
    else if (one.field === 6) lease = one.number;
  }
  return { key, value, created, modified, lease };
}

export function decodeRange(message: Buffer): RangeAnswer {
  const pairs: KeyValue[] = [];
  let more = false;
  for (const one of fieldsOf(message)) {
    if (one.field === 2) pairs.push(decodePair(one.bytes));
    else if (one.field === 3) more = one.number !== 0;
  }
  return { pairs, more };
}

/** The fields of the header that an answer begins with. */
function header(message: Buffer): { readonly member: bigint; readonly revision: number } {
  let member = 0n;
  let revision = 0;
  for (const one of fieldsOf(message)) {
    if (one.field === 2) member = one.id;
    else if (one.field === 3) revision = one.number;
  }
  return { member, revision };
}

export function decodeTransaction(message: Buffer): TransactionAnswer {
  let succeeded = false;
  let revision = 0;
  const ranges: RangeAnswer[] = [];
  for (const one of fieldsOf(message)) {
    if (one.field === 1) revision = header(one.bytes).revision;
    else if (one.field === 2) succeeded = one.number !== 0;
    else if (one.field === 3)
      for (const step of fieldsOf(one.bytes)) if (step.field === 1) ranges.push(decodeRange(step.bytes));
  }
  return { succeeded, revision, ranges };
}

export const encodeCompact = (revision: number): Buffer => new MessageWriter().number(1, revision).finish();

/** A request to watch one key from now on, under an id of the caller's choice. */
export const encodeWatch = (key: string, id: number): Buffer =>
  new MessageWriter().message(1, new MessageWriter().text(1, key).number(7, id)).finish();

export interface WatchAnswer {
  readonly id: number;
  readonly created: boolean;
  /** The watch is over; why says `reason`. */
  readonly canceled: boolean;
  readonly reason: string;
  readonly events: number;
  /** What its key was set to by the last of them; empty when that deleted it. */
  readonly value: Buffer;
}

export function decodeWatch(message: Buffer): WatchAnswer {
  let [created, canceled] = [false, false];
  let reason = '';
  let [id, events] = [0, 0];
  let value = Buffer.alloc(0);
  for (const one of fieldsOf(message)) {
    if (one.field === 2) id = one.number;
    else if (one.field === 3) created = one.number !== 0;
    else if (one.field === 4) canceled = one.number !== 0;
    else if (one.field === 5 && one.number !== 0) reason = `the history before revision ${one.number} is gone`;
    else if (one.field === 6 && one.bytes.length > 0) reason = one.bytes.toString();
    else if (one.field === 11) {
      events++;
      for (const part of fieldsOf(one.bytes))
        if (part.field === 2) value = decodePair(part.bytes).value as typeof value;
    }
  }
  return { id, created, canceled, reason, events, value };
}

export const encodeGrant = (lease: number, seconds: number): Buffer =>
  new MessageWriter().number(1, seconds).number(2, lease).finish();

export const encodeLease = (lease: number): Buffer => new MessageWriter().number(1, lease).finish();

/** Seconds that a granted or renewed lease lives. */
export function decodeSeconds(message: Buffer): number {
  let seconds = 0;
  for (const one of fieldsOf(message)) if (one.field === 3) seconds = one.number;
  return Math.max(0, seconds);
}

function decodeMember(message: Buffer): Member {
  let id = 0n;
  let name = '';
  const peerUrls: string[] = [];
  const clientUrls: string[] = [];
  let learner = false;
  for (const one of fieldsOf(message)) {
    if (one.field === 1) id = one.id;
    else if (one.field === 2) name = one.bytes.toString();
    else if (one.field === 3) peerUrls.push(one.bytes.toString());
    else if (one.field === 4) clientUrls.push(one.bytes.toString());
    else if (one.field === 5) learner = one.number !== 0;
  }
  return { id, name, peerUrls, clientUrls, learner };
}

/** Asks for a list that a quorum agrees on; members before 3.5 pass over the field. */
export const encodeMemberList = (): Buffer => new MessageWriter().flag(1, true).finish();
export const decodeMemberList = (message: Buffer): Member[] =>
  [...fieldsOf(message)].filter(({ field }) => field === 2).map(({ bytes }) => decodeMember(bytes));
export const encodeLearner = (peerUrl: string): Buffer => new MessageWriter().text(1, peerUrl).flag(2, true).finish();
export const encodeMemberUpdate = (id: bigint, peerUrl: string): Buffer =>
  new MessageWriter().id(1, id).text(2, peerUrl).finish();
/** Names a member, to be promoted, removed, or given the lead. */
export const encodeMemberId = (id: bigint): Buffer => new MessageWriter().id(1, id).finish();

export function decodeStatus(endpoint: string, message: Buffer): MemberStatus {
  let [member, leader] = [0n, 0n];
  let version = '';
  let [bytes, bytesInUse, quota] = [0, 0, 0];
  const errors: string[] = [];
  for (const one of fieldsOf(message)) {
    if (one.field === 1) member = header(one.bytes).member;
    else if (one.field === 2) version = one.bytes.toString();
    else if (one.field === 3) bytes = one.number;
    else if (one.field === 4) leader = one.id;
    else if (one.field === 8) errors.push(one.bytes.toString());
    else if (one.field === 9) bytesInUse = one.number;
    else if (one.field === 12) quota = one.number;
  }
  return { endpoint, member, version, bytes, bytesInUse, quota, leader, errors };
}

/** A request for the status, made long by a field that nobody knows. */
export const encodeProbe = (bytes: number): Buffer => new MessageWriter().bytes(1000, Buffer.alloc(bytes)).finish();

const alarmNames = ['NONE', 'NOSPACE', 'CORRUPT'] as const;

export const encodeAlarmGet = (): Buffer => Buffer.alloc(0);
/** Takes the alarm NOSPACE of one member back. */
export const encodeAlarmOff = (member: bigint): Buffer =>
  new MessageWriter().number(1, 2).id(2, member).number(3, 1).finish();

export function decodeAlarms(message: Buffer): Alarm[] {
  const alarms: Alarm[] = [];
  for (const one of fieldsOf(message)) {
    if (one.field !== 2) continue;
    let member = 0n;
    let name = '';
    for (const { field, id, number } of fieldsOf(one.bytes)) {
      if (field === 1) member = id;
      else if (field === 2) name = alarmNames[number] ?? `alarm ${number}`;
    }
    alarms.push({ member, name });
  }
  return alarms;
}
