import assert from 'node:assert/strict';
import { ChunkDecoder } from '../../src/access/chunks.ts';
import {
  announced,
  plain,
  shortBody,
  shortForm,
  shortPlain,
  signedBody,
  signedForm,
  unsignedBody,
  unsignedForm,
} from '../../src/access/fuzz.support.ts';
import { decodeWhole } from '../../src/access/index.ts';
import type { PayloadForm } from '../../src/access/types.ts';
import { StoreError } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { Dice } from '../dice.ts';
import type { Target } from '../target.ts';

/*
 * A body in aws-chunked framing, behind a byte that says its form and two that say the length which was announced (little endian).
 * What comes out is what was signed, has the announced length, and does not depend on how the body was cut on its way.
 */

type Chunked = PayloadForm & { kind: 'chunked' };
const forms = [
  signedForm,
  unsignedForm,
  { kind: 'chunked', signing: undefined, trailer: false },
  shortForm,
] as readonly Chunked[];

interface Outcome {
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
}

function outcome(decode: () => Outcome): Outcome | undefined {
  try {
    return decode();
  } catch (error) {
    assert.ok(error instanceof StoreError, `not a StoreError: ${error instanceof Error ? error.stack : String(error)}`);
    assert.ok(error.http >= 400 && error.http < 500, error.code);
    return undefined;
  }
}

function inPieces(form: Chunked, body: Buffer, decodedLength: number, dice: Dice): Outcome {
  const names = form.trailer ? [announced] : [];
  const decoder = new ChunkDecoder({ signing: form.signing, trailer: form.trailer, decodedLength, announced: names });
  const out: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const end = Math.min(body.length, at + 1 + dice.below(dice.pick([1, 3, 100, 9000])));
    decoder.push(body.subarray(at, end), out);
    at = end;
  }
  decoder.finish();
  return { body: Buffer.concat(out), trailers: [...decoder.trailers] };
}

function input(form: number, length: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([form, length & 0xff, length >>> 8]), body]);
}

export const target: Target = {
  name: 'chunked',
  maximum: 3 * limits.chunkBytesMin,
  words: [
    '\r\n',
    '\n',
    '0\r\n',
    '0\r\n\r\n',
    ';chunk-signature=',
    'chunk-signature',
    'ffffffff',
    'ffffffffffffffff',
    '2000\r\n',
    '1\r\na\r\n',
    '-1',
    '0x',
    ' ',
    ';',
    `${announced}:AAAAAA==\r\n`,
    'x-amz-trailer-signature:',
    'x-amz-meta-a:b\r\n',
  ],
  seeds: () => [
    input(0, plain.length, signedBody),
    input(1, plain.length, unsignedBody),
    input(3, shortPlain.length, shortBody),
  ],
  check(bytes, dice) {
    if (bytes.length < 3) return;
    const form = forms[(bytes[0] as number) % forms.length] as Chunked;
    const length = bytes.readUInt16LE(1);
    const framed = bytes.subarray(3);
    const whole = outcome(() => {
      const options = { decodedLength: length, announced: form.trailer ? announced : undefined };
      const { body, trailers } = decodeWhole(form, framed, options);
      return { body: Buffer.from(body), trailers: [...trailers] };
    });
    const pieces = outcome(() => inPieces(form, framed, length, dice));
    assert.deepEqual(pieces, whole, 'the outcome depends on how the body was cut');
    if (!whole) return;
    assert.equal(whole.body.length, length);
    assert.deepEqual(
      whole.trailers.map(([name]) => name),
      form.trailer ? [announced] : [],
    );
    if (!form.signing) return;
    const signed = form.trailer ? plain : shortPlain;
    assert.ok(whole.body.equals(signed), 'other bytes than those that were signed');
  },
};
