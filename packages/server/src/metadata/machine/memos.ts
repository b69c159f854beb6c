import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { KeyUse } from '../memos.ts';
import type { Command } from '../types.ts';
import { type Decision, done } from './deciding.ts';
import type { Effect } from './effects.ts';
import { ended, format } from './fields.ts';
import type { View } from './view.ts';

/*
 * What servers note of their own doings, beside what clients store: events that a target has refused for good, in the shard in whose log they stand, and when access keys were
 * used last, in the system shard. Small rows with names; each kind is bounded for itself.
 */

/** Each at its number in row keys and in the log. */
export const memoKinds = { failedEvents: 1, keyUses: 2 } as const;
export type MemoKind = keyof typeof memoKinds;

const kindOf = (number: number): MemoKind => {
  const found = (Object.keys(memoKinds) as MemoKind[]).find((kind) => memoKinds[kind] === number);
  if (!found)
    throw new CorruptionError(`a memo has unknown kind ${number}: start the newer version of DSOM that wrote it`);
  return found;
};

interface Named {
  readonly kind: MemoKind;
  readonly name: string;
}

export const memoCodecs = {
  'memo.write': {
    code: 90,
    write: (out: ByteWriter, { kind, name, value }: Named & { readonly value: Buffer }) =>
      out.u8(memoKinds[kind]).string(name).bytes(value),
    read: (from: ByteReader) => ({ kind: kindOf(from.u8()), name: from.string(), value: from.bytes() }),
  },
  'memo.remove': {
    code: 91,
    write: (out: ByteWriter, { kind, name }: Named) => out.u8(memoKinds[kind]).string(name),
    read: (from: ByteReader) => ({ kind: kindOf(from.u8()), name: from.string() }),
  },
} as const;

/** 01, time varint, service string, region string. */
export const encodeKeyUse = ({ ms, service, region }: KeyUse): Buffer =>
  new ByteWriter(32).u8(1).varint(ms).string(service).string(region).finish();

export function decodeKeyUse(bytes: Uint8Array): KeyUse {
  const from = new ByteReader(bytes);
  format(from, 1, 'use of an access key');
  return ended(from, { ms: from.varint(), service: from.string(), region: from.string() });
}

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

export function decideEventFail(view: View, { target, name, event }: Of<'event.fail'>): Decision {
  if (event.length > limits.failedEventBytes)
    throw new StoreError('InvalidRequest', {
      message: `An event that is kept has ${limits.failedEventBytes} bytes at most.`,
    });
  const kind = 'failedEvents';
  const one = `${target}/${name}`;
  const there = view.memos(kind, `${target}/`);
  const [first] = there.keys();
  const full = there.size >= limits.failedEvents && !there.has(one) && first !== undefined;
  return done(...(full ? [{ type: 'memo.remove', kind, name: first } as const] : []), {
    type: 'memo.write',
    kind,
    name: one,
    value: event,
  });
}

export function decideEventSettle(view: View, { target, names }: Of<'event.settle'>): Decision {
  const kind = 'failedEvents';
  const there = [...new Set(names)].map((name) => `${target}/${name}`).filter((name) => view.memo(kind, name));
  return done(...there.map((name) => ({ type: 'memo.remove', kind, name }) as const));
}

export function decideKeyUsed(view: View, { uses }: Of<'key.used'>): Decision {
  const latest = new Map<string, KeyUse>();
  for (const { id, ...use } of uses) {
    const before = latest.get(id) ?? view.keyUse(id);
    if (view.accessKey(id) && (before === undefined || before.ms < use.ms)) latest.set(id, use);
  }
  const kind = 'keyUses';
  return done(
    ...[...latest].map(([name, use]) => ({ type: 'memo.write', kind, name, value: encodeKeyUse(use) }) as const),
  );
}

/** What goes with an access key. */
export const withoutUse = (view: View, id: string): readonly Effect[] =>
  view.memo('keyUses', id) ? [{ type: 'memo.remove', kind: 'keyUses', name: id }] : [];
