import fc from 'fast-check';
import type { Versioning } from './machine/records.ts';
import type { ModelVersion } from './model.support.ts';
import type { VersionSelector } from './types.ts';

/* Random histories of two buckets. */

export const names = ['one', 'two'] as const;
export const texts = ['a', 'a/', 'a/b', 'a/b/c', 'a/\xff', 'b', 'b/\x00', '\x00', '\xff\xff', 'z'.repeat(1024)];

const kinds = [
  'put',
  'putStriped',
  'putLarge',
  'delete',
  'deleteVersion',
  'deleteNewest',
  'copy',
  'rename',
  'append',
  'appendTwice',
  'annotate',
  'recode',
  'touch',
  'versioning',
  'create',
  'part',
  'partTwice',
  'borrow',
  'complete',
  'abort',
  'collect',
  'crash',
  'checkpoint',
] as const;

const operation = fc.record({
  kind: fc.nat(kinds.length - 1),
  bucket: fc.nat(3),
  key: fc.nat(texts.length - 1),
  a: fc.nat(1000),
  b: fc.nat(1000),
  guard: fc.constantFrom('none', 'none', 'none', 'none', 'absent', 'any', 'current', 'other', 'unmodified'),
});

const always = ['putStriped', 'append', 'create'] as const;
export type Kind = (typeof kinds)[number];

/** Each run has a taste of its own: few kinds of operation on few keys reach states that an even mixture does not. */
export const scenario = (length: number, among: readonly Kind[] = kinds, atLeast = 3) =>
  fc
    .record({
      kinds: fc.subarray([...among], { minLength: atLeast }),
      keys: fc.constantFrom(1, 2, 3, texts.length),
      buckets: fc.constantFrom(1, 2),
      versioning: fc.constantFrom('off', 'enabled', 'suspended'),
      operations: fc.array(operation, { minLength: length, maxLength: length, size: 'max' }),
    })
    .map((made) => ({
      versioning: made.versioning as Versioning,
      operations: made.operations.map((op) => ({
        ...op,
        // Writes and the making of uploads are always among them, or most runs would find nothing to work on.
        kind: [...made.kinds, ...always][op.kind % (made.kinds.length + always.length)]!,
        key: op.key % made.keys,
        bucket: op.bucket % made.buckets,
      })),
    }));
export type Operation = (ReturnType<typeof scenario> extends fc.Arbitrary<infer Value>
  ? Value
  : never)['operations'][number];

export const selectorOf = (version: ModelVersion): VersionSelector =>
  version.isNull ? 'null' : { sequence: version.sequence, nonce: version.nonce };

export const hex = (bytes: Buffer): string => bytes.toString('hex');
export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
