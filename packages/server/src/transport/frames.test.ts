import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { errorOf, failureOf, StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { FrameDecoder, type FrameType, frameTypes, headerBytes, LinkError, putHeader, smallFrame } from './frames.ts';
import { agree, decodeHello, encodeHello, type Hello } from './hello.ts';
import { decodeAnswer, decodeCall, decodeFailure, encodeAnswer, encodeCall, encodeFailure } from './messages.ts';

function rawFrame(type: number, flags: number, id: number, payload: Uint8Array, length = payload.length): Buffer {
  const frame = Buffer.alloc(headerBytes + payload.length);
  putHeader(frame, 0, type as FrameType, flags, id, length);
  frame.set(payload, headerBytes);
  return frame;
}

/** Everything a decoder finds, bodies joined again. */
function decoded(chunks: readonly Buffer[]): unknown[] {
  const found: unknown[] = [];
  let body: Buffer[] = [];
  const decoder = new FrameDecoder({
    frame: (...frame) => found.push([...frame.slice(0, 3), Buffer.from(frame[3])]),
    body: (flags, id, bytes, rest) => {
      body.push(Buffer.from(bytes));
      if (rest > 0) return;
      found.push([frameTypes.body, flags, id, Buffer.concat(body)]);
      body = [];
    },
  });
  for (const chunk of chunks) decoder.push(chunk);
  return found;
}

const frame = fc
  .tuple(
    fc.constantFrom(frameTypes.body, frameTypes.credit, frameTypes.ping, frameTypes.cancel, frameTypes.call),
    fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    fc.uint8Array({ maxLength: 300 }),
  )
  .map(([type, id, bytes]) => {
    const sizes: Record<number, number> = { [frameTypes.credit]: 4, [frameTypes.ping]: 8, [frameTypes.cancel]: 0 };
    const least = type === frameTypes.call ? Buffer.alloc(6) : Buffer.alloc(0);
    const size = sizes[type];
    const payload = size === undefined ? Buffer.concat([least, bytes]) : Buffer.alloc(size, 7);
    return [type, 0, type === frameTypes.ping ? 0 : id, payload] as const;
  });

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 64 })), (frames, cuts) => {
        const stream = Buffer.concat(frames.map((one) => rawFrame(...one)));
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + (cuts.length > 0 ? (cuts[i % cuts.length] as number) : 1000);
          chunks.push(stream.subarray(at, end));
          at = end;
        }
        assert.deepEqual(decoded(chunks), frames);
      }),
      { numRuns: 300 },
    );
  });

  it('outside their bounds are refused by the header alone', () => {
    const refused = (header: Buffer, why: RegExp) => {
      assert.throws(
        () => decoded([header.subarray(0, headerBytes)]),
        (cause) => cause instanceof LinkError && why.test(cause.message),
      );
    };
    const none = Buffer.alloc(0);
    for (const type of [0, 12, 255]) refused(rawFrame(type, 0, 1, none), /type/);
    for (const type of [frameTypes.body, frameTypes.call, frameTypes.answer, frameTypes.fail])
      for (const length of [limits.linkFrameBytes + 1, 2 ** 31, 2 ** 32 - 1])
        refused(rawFrame(type, 0, 1, none, length), /bytes: .* are allowed/);
    refused(rawFrame(frameTypes.hello, 0, 0, none, limits.linkHelloBytes + 1), /allowed/);
    refused(rawFrame(frameTypes.credit, 0, 1, none, 5), /allowed/);
    refused(rawFrame(frameTypes.end, 0, 1, none, 1), /allowed/);
    refused(rawFrame(frameTypes.body, 4, 1, none), /flags/);
    refused(rawFrame(frameTypes.cancel, 1, 1, none), /flags/);
    refused(rawFrame(frameTypes.body, 0, 0, none), /call id/);
    refused(rawFrame(frameTypes.ping, 0, 1, Buffer.alloc(8)), /call id/);
    const reserved = rawFrame(frameTypes.cancel, 0, 1, none);
    reserved[3] = 1;
    refused(reserved, /flags/);
  });

  it('of calls and answers say what was said, with a body that fits and without one that does not', () => {
    const piece = fc.uint8Array({ maxLength: 40_000 });
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 20 }),
        piece,
        fc.array(piece, { maxLength: 3 }),
        fc.nat(1e9),
        fc.nat(1e6),
        (method, head, body, deadlineMs, window) => {
          const bodyBytes = body.reduce((sum, { length }) => sum + length, 0);
          const call = { method, head, body, bodyBytes, deadlineMs, window };
          const { pieces, whole } = encodeCall(9, false, call);
          const payload = Buffer.concat(pieces).subarray(headerBytes);
          assert.ok(payload.length <= limits.linkFrameBytes);
          const back = decodeCall(payload);
          assert.deepEqual(
            [back.method, back.deadlineMs, back.window, back.bodyBytes],
            [method, deadlineMs, window, bodyBytes],
          );
          assert.ok(back.head.equals(head));
          assert.ok(back.inline.equals(whole ? Buffer.concat(body) : Buffer.alloc(0)));
          const answer = encodeAnswer(9, false, head, body, bodyBytes);
          const read = decodeAnswer(Buffer.concat(answer.pieces).subarray(headerBytes));
          assert.ok(read.head.equals(head) && read.bodyBytes === bodyBytes);
          assert.ok(read.inline.equals(answer.whole ? Buffer.concat(body) : Buffer.alloc(0)));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('of failures say all that fits, and fit whatever is said', () => {
    const said = new StoreError('StorageFull', { message: 'm', resource: 'r', detail: { a: '1' }, retryAfter: 2 });
    const through = (cause: unknown) =>
      errorOf(decodeFailure(encodeFailure(3, failureOf(cause)).subarray(headerBytes)));
    assert.deepEqual(failureOf(through(said)), failureOf(said));
    assert.equal(through(new StoreError('SlowDown', { retryAfter: 0.2 })).retryAfter, 1);
    const huge = new StoreError('Damaged', {
      message: 'ü'.repeat(100_000),
      resource: 'k'.repeat(100_000),
      detail: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`d${i}`, 'v'.repeat(3000)])),
    });
    const frame = encodeFailure(3, failureOf(huge));
    assert.ok(frame.length <= headerBytes + limits.linkFrameBytes);
    assert.equal(through(huge).code, 'Damaged');
  });

  it('of failures with a code of a later version keep their message', () => {
    const frame = encodeFailure(1, { ...failureOf(new Error('new words')), code: 'ComesLater' as never });
    const { code, message } = errorOf(decodeFailure(frame.subarray(headerBytes)));
    assert.deepEqual([code, message], ['InternalError', 'new words']);
  });

  it('with payloads that are not well formed end the link, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const read of [decodeCall, decodeAnswer, decodeFailure, decodeHello])
          try {
            read(Buffer.from(bytes));
          } catch (cause) {
            assert.ok(cause instanceof LinkError, String(cause));
          }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('negotiation', () => {
  const hello = (versions: number[], features: string[] = []): Hello => ({ versions, features, window: 9, calls: 8 });

  it('reads what was said, and leaves unread what a later version adds', () => {
    const said = hello([1, 2, 300], ['zip', 'zap']);
    const payload = encodeHello(said).subarray(headerBytes);
    assert.deepEqual(decodeHello(payload), said);
    assert.deepEqual(decodeHello(Buffer.concat([payload, Buffer.from('more')])), said);
    assert.throws(() => decodeHello(Buffer.from('GET / HTTP/1.1\r\n')), /no node of DSOM/);
  });

  it('takes the highest common version and the common features', () => {
    assert.deepEqual(agree(hello([1, 3, 2], ['a', 'b']), hello([2, 3, 4], ['b', 'c'])), {
      version: 3,
      features: ['b'],
      window: 9,
      calls: 8,
    });
    const none = agree(hello([1]), hello([2, 3]));
    assert.ok(none instanceof LinkError && /speaks 1, the other one 2, 3/.test(none.message));
  });
});

it('small frames carry their payload', () => {
  assert.deepEqual(decoded([smallFrame(frameTypes.ping, 0, Buffer.alloc(8, 3))]), [
    [frameTypes.ping, 0, 0, Buffer.alloc(8, 3)],
  ]);
});
