import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MacKey } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { decodePayload, decodeWhole, type PayloadForm } from './index.ts';
import { exampleMs, framed, inPieces, region, signingKey, stamp } from './signer.support.ts';

const seed = 'ab'.repeat(32);
const time = stamp(exampleMs);
const signing = {
  signingKey: new MacKey(signingKey(time.slice(0, 8))),
  scope: `${time.slice(0, 8)}/${region}/s3/aws4_request`,
  timestamp: time,
  seedSignature: seed,
};
const signed: PayloadForm = { kind: 'chunked', signing, trailer: false };
const signedTrailer: PayloadForm = { kind: 'chunked', signing, trailer: true };
const plainTrailer: PayloadForm = { kind: 'chunked', signing: undefined, trailer: true };
const crc = [['x-amz-checksum-crc32', 'AAAAAA==']] as const;
const announced = 'x-amz-checksum-crc32';

interface Read {
  readonly body: Buffer;
  readonly trailers: ReadonlyMap<string, string>;
}

async function read(
  form: PayloadForm,
  body: Uint8Array,
  length: number | undefined,
  trailer?: string,
  sizes?: number[],
): Promise<Read> {
  const decoded = decodePayload(form, inPieces(body, sizes), { decodedLength: length, announced: trailer });
  const pieces: Uint8Array[] = [];
  for await (const piece of decoded.stream) pieces.push(piece);
  return { body: Buffer.concat(pieces), trailers: decoded.trailers() };
}

/** Reads the body in both ways and in small pieces; all must fail with the same code. */
async function refused(
  form: PayloadForm,
  body: Uint8Array | string,
  length: number | undefined,
  code: string,
  trailer?: string,
) {
  const bytes = Buffer.from(body as string);
  const want = (error: unknown) => {
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, code, `${error.message}: ${bytes.toString('latin1').slice(0, 80)}`);
    return true;
  };
  await assert.rejects(read(form, bytes, length, trailer), want);
  await assert.rejects(read(form, bytes, length, trailer, bytes.length < 1000 ? [1] : [1, 1, 1, 1499]), want);
  assert.throws(() => decodeWhole(form, bytes, { decodedLength: length, announced: trailer }), want);
}

describe('plain bodies', () => {
  const body = Buffer.from('hello');
  const hex = createHash('sha256').update(body).digest('hex');
  it('pass unchanged when nothing was signed', async () => {
    for (const kind of ['none', 'unsigned'] as const) {
      const source = inPieces(body);
      assert.equal(decodePayload({ kind }, source, { decodedLength: undefined, announced: undefined }).stream, source);
      assert.equal(decodeWhole({ kind }, body, { decodedLength: undefined, announced: undefined }).body, body);
    }
  });

  it('must have their SHA-256', async () => {
    const form: PayloadForm = { kind: 'sha256', hex };
    assert.deepEqual((await read(form, body, undefined, undefined, [2])).body, body);
    assert.equal(decodeWhole(form, body, { decodedLength: undefined, announced: undefined }).body, body);
    await refused(form, 'hellO', undefined, 'XAmzContentSHA256Mismatch');
    await refused(form, '', undefined, 'XAmzContentSHA256Mismatch');
  });

  it('cannot announce a trailer', async () => {
    for (const form of [{ kind: 'none' }, { kind: 'unsigned' }, { kind: 'sha256', hex }] as PayloadForm[]) {
      assert.throws(() => decodePayload(form, inPieces(body), { decodedLength: undefined, announced }), {
        code: 'InvalidRequest',
      });
    }
    assert.throws(() => decodePayload(signed, inPieces(body), { decodedLength: 1, announced }), {
      code: 'InvalidRequest',
    });
  });
});

describe('aws-chunked bodies', () => {
  const chunksOf = fc
    .tuple(fc.array(fc.integer({ min: 8192, max: 9000 }), { maxLength: 3 }), fc.integer({ min: 0, max: 9000 }))
    .map(([sizes, last]) =>
      [...sizes, last].filter((size) => size > 0).map((size, i) => Buffer.alloc(size, `chunk ${i} `)),
    );
  const sizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 4 });

  it('come out the same however they are cut, in every form', async () => {
    await fc.assert(
      fc.asyncProperty(chunksOf, sizes, async (chunks, cut) => {
        const plain = Buffer.concat(chunks);
        const forms = [
          [signed, framed(chunks, { signed: true, seed }), undefined],
          [signedTrailer, framed(chunks, { signed: true, seed, trailers: crc }), announced],
          [plainTrailer, framed(chunks, { signed: false, seed, trailers: crc }), announced],
          [plainTrailer, framed(chunks, { signed: false, seed, trailers: [] }), undefined],
        ] as const;
        for (const [form, body, trailer] of forms) {
          const streamed = await read(form, body, plain.length, trailer, cut);
          assert.deepEqual(streamed.body, plain);
          const whole = decodeWhole(form, body, { decodedLength: plain.length, announced: trailer });
          assert.ok(plain.equals(whole.body));
          assert.deepEqual(whole.trailers, streamed.trailers);
          assert.deepEqual([...whole.trailers], trailer ? crc : []);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('are handed on without being copied', () => {
    const body = framed([Buffer.alloc(9000, 1)], { signed: true, seed });
    const { body: data } = decodeWhole(signed, body, { decodedLength: 9000, announced: undefined });
    assert.equal(data.buffer, body.buffer);
  });

  it('refuse a framing that is not exactly the one that is documented', async () => {
    const long = 'z'.repeat(limits.chunkHeaderBytes);
    for (const body of [
      'x\r\nabc\r\n0\r\n\r\n',
      '-3\r\nabc\r\n0\r\n\r\n',
      '0x3\r\nabc\r\n0\r\n\r\n',
      ' 3\r\nabc\r\n0\r\n\r\n',
      '3 \r\nabc\r\n0\r\n\r\n',
      '+3\r\nabc\r\n0\r\n\r\n',
      '\r\n3\r\nabc\r\n0\r\n\r\n',
      '3\nabc\r\n0\r\n\r\n',
      '3\rabc\r\n0\r\n\r\n',
      '3;a=b\r\nabc\r\n0\r\n\r\n',
      '3;\r\nabc\r\n0\r\n\r\n',
      `3;chunk-signature=${seed}\r\nabc\r\n0\r\n\r\n`,
      `${long}\r\n`,
      long + long,
      '00000000000000003\r\nabc\r\n0\r\n\r\n',
      '3\r\nabcd\r\n0\r\n\r\n',
      '3\r\nabc0\r\n\r\n',
      '3\r\nabc\n0\r\n\r\n',
      '3\r\nabc\r0\r\n\r\n',
      '3\r\nabcxy0\r\n\r\n',
      '3\r\nabc\n\r0\r\n\r\n',
    ]) {
      await refused(plainTrailer, body, 3, 'InvalidRequest');
    }
    const good = framed([Buffer.from('abc')], { signed: true, seed }).toString('latin1');
    for (const [from, to] of [
      [/;chunk-signature=[^\r]*/, ''],
      [/chunk/, 'Chunk'],
      [/;/, '; '],
      [/;/, ';a=b;'],
      [/=[0-9a-f]/, '='],
      [/\r\n$/, 'x\r\n'],
      [/\r\n$/, 'xy'],
      [/$/, '\r\n'],
      [/$/, '0'],
    ] as const) {
      await refused(signed, good.replace(from, to), 3, 'InvalidRequest');
    }
  });

  it('refuse any length but the announced one, and an end that is missing', async () => {
    const chunks = [Buffer.alloc(8192, 1), Buffer.alloc(10, 2)];
    for (const [form, trailers] of [
      [signed, undefined],
      [signedTrailer, crc],
      [plainTrailer, crc],
    ] as const) {
      const body = framed(chunks, { signed: form.signing !== undefined, seed, ...(trailers ? { trailers } : {}) });
      const trailer = trailers && announced;
      for (const length of [0, 1, 8192, 8201, 8203, 1e12]) await refused(form, body, length, 'IncompleteBody', trailer);
      await refused(form, body, undefined, 'MissingContentLength', trailer);
      const tail = trailers
        ? body.indexOf(
            '\r\n',
            body.lastIndexOf('0;chunk') < 0 ? body.lastIndexOf('\r\n0\r\n') + 2 : body.lastIndexOf('0;chunk'),
          ) + 2
        : body.length;
      for (let cut = 1; cut < body.length; cut += cut < 8000 ? 1333 : 1) {
        if (cut >= tail) continue;
        await refused(form, body.subarray(0, cut), 8202, 'IncompleteBody', trailer);
      }
    }
    for (const huge of ['ffffffffffffffff', '20000000000000', '7fffffffffffffff']) {
      await refused(plainTrailer, `${huge}\r\nabc\r\n0\r\n\r\n`, 3, 'IncompleteBody');
    }
  });

  it('refuse small chunks before the last and large signed ones', async () => {
    const small = [Buffer.alloc(8191), Buffer.alloc(1)];
    for (const form of [signed, plainTrailer]) {
      const isSigned = form === signed;
      const body = framed(small, { signed: isSigned, seed, ...(isSigned ? {} : { trailers: [] }) });
      await refused(form, body, 8192, 'InvalidChunkSizeError');
    }
    await refused(
      signed,
      `${(limits.chunkBytes + 1).toString(16)};chunk-signature=${seed}\r\n`,
      limits.chunkBytes * 2,
      'InvalidRequest',
    );
  });

  it('refuse a chunk that is changed, missing, repeated, moved or signed for another request', async () => {
    const chunks = [Buffer.alloc(8192, 1), Buffer.alloc(8192, 2), Buffer.alloc(10, 3)];
    const good = framed(chunks, { signed: true, seed });
    const ends = [0, 8192 + 89, 2 * (8192 + 89), good.length];
    assert.equal(good.toString('latin1', ends[1], ends[1]! + 5), '2000;');
    const part = (i: number) => good.subarray(ends[i], ends[i + 1]);
    const code = 'SignatureDoesNotMatch';
    for (let at = 87; at < 8192; at += 1111) {
      const changed = Buffer.from(good);
      changed[at]! ^= 1;
      await refused(signed, changed, 16_394, code);
    }
    await refused(signed, Buffer.concat([part(1), part(0), part(2)]), 16_394, code);
    await refused(signed, Buffer.concat([part(0), part(2)]), 8202, code);
    await refused(signed, Buffer.concat([part(0), part(0), part(1), part(2)]), 24_586, code);
    await refused(signed, framed(chunks, { signed: true, seed: 'cd'.repeat(32) }), 16_394, code);
    await refused(signed, framed(chunks, { signed: true, seed, timeMs: exampleMs + 1000 }), 16_394, code);
    const early = Buffer.concat([part(0), good.subarray(good.indexOf('0;chunk', ends[2]! + 89))]);
    await refused(signed, early, 8192, code);
  });

  it('refuse trailers that are not announced, repeated, missing, malformed or too long', async () => {
    const body = (trailer: string) => `3\r\nabc\r\n0\r\n${trailer}`;
    const code = 'MalformedTrailerError';
    await refused(plainTrailer, body('x-amz-checksum-crc32:AAAAAA==\r\n\r\n'), 3, code);
    await refused(plainTrailer, body('x-amz-meta-a:b\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n'), 3, code, announced);
    await refused(plainTrailer, body('x-amz-checksum-crc32:A\r\nX-Amz-Checksum-Crc32:B\r\n\r\n'), 3, code, announced);
    await refused(plainTrailer, body('\r\n'), 3, code, announced);
    await refused(plainTrailer, body('x-amz-checksum-crc32:\r\n\r\n'), 3, code, announced);
    await refused(plainTrailer, body('x-amz-checksum-crc32 :A\r\n\r\n'), 3, code, announced);
    await refused(plainTrailer, body(' x-amz-checksum-crc32:A\r\n\r\n'), 3, code, announced);
    await refused(plainTrailer, body('x-amz-checksum-crc32:A\rB\r\n\r\n'), 3, code, announced);
    await refused(plainTrailer, body('x-amz-checksum-crc32:A\0\r\n\r\n'), 3, code, announced);
    await refused(plainTrailer, body('x-amz-checksum-crc32:A\r\n\r\nabc\r\n'), 3, code, announced);
    await refused(
      plainTrailer,
      body(`x-amz-checksum-crc32:A\r\nx-amz-trailer-signature:${seed}\r\n\r\n`),
      3,
      code,
      announced,
    );
    await refused(plainTrailer, body('x-amz-checksum-crc32:A'), 3, 'IncompleteBody', announced);
    await refused(
      plainTrailer,
      body(`x-amz-checksum-crc32:${'A'.repeat(limits.trailerBytes)}\r\n\r\n`),
      3,
      'InvalidRequest',
      announced,
    );
    await refused(plainTrailer, body('\r\n'.repeat(limits.trailerBytes)), 3, 'InvalidRequest', undefined);
    for (const bad of [
      'x-amz-meta-a',
      'x-amz-checksum-crc32,',
      'x-amz-checksum-crc32, x-amz-checksum-crc32',
      'x-amz-trailer-signature',
      '',
      'x-amz-checksum-',
    ]) {
      await refused(plainTrailer, body('\r\n'), 3, 'InvalidRequest', bad);
    }
  });

  it('refuse a signed trailer whose signature is wrong, early or doubled', async () => {
    const good = framed([Buffer.from('abc')], { signed: true, seed, trailers: crc }).toString('latin1');
    const line = /x-amz-trailer-signature:[^\r]*\r\n/;
    const [own] = line.exec(good) as unknown as [string];
    await refused(signedTrailer, good.replace('AAAAAA==', 'AAAAAB=='), 3, 'SignatureDoesNotMatch', announced);
    await refused(signedTrailer, good.replace(/(signature:)./, '$1x'), 3, 'SignatureDoesNotMatch', announced);
    await refused(signedTrailer, good.replace(line, ''), 3, 'MalformedTrailerError', announced);
    await refused(signedTrailer, good.replace(line, own + own), 3, 'MalformedTrailerError', announced);
    await refused(
      signedTrailer,
      good.replace(line, '').replace('x-amz-checksum', `${own}x-amz-checksum`),
      3,
      'MalformedTrailerError',
      announced,
    );
    const other = framed([Buffer.from('abd')], { signed: true, seed, trailers: crc }).toString('latin1');
    await refused(signedTrailer, good.replace(line, line.exec(other)![0]), 3, 'SignatureDoesNotMatch', announced);
  });
});
