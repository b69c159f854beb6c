import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import {
  announced,
  meaning,
  originals,
  plain,
  signedBody,
  signedForm,
  trailers,
  unsignedBody,
  unsignedForm,
  urlOf,
} from './fuzz.support.ts';
import { decodeWhole, parseTarget } from './index.ts';
import { bench } from './signer.support.ts';
import type { PayloadForm, SignedRequest } from './types.ts';

/*
 * Changed requests. Whatever is changed in a request that was accepted, it is refused with an error of the table, or it means
 * exactly what it meant before: same method, same bucket, key and parameters, same signed headers, same bytes of the body.
 * The number of runs follows DSOM_FUZZ (default 1); a failure prints its seed.
 */

const runs = (count: number) => ({ numRuns: count * Number(process.env['DSOM_FUZZ'] ?? 1) });
const { authenticator, keys } = bench();

/** Splices text into text: the commonest ways in which one goes wrong. */
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat(6),
  insert: fc.oneof(
    fc.string({ unit: fc.constantFrom(...Array.from('0aAfF;:=,&%?/. \r\n\t\0ä')), maxLength: 6 }),
    fc.constantFrom(
      '%2F',
      '%2e',
      '..',
      '//',
      '%00',
      'chunk-signature=',
      'x-amz-acl',
      '0\r\n\r\n',
      'X-Amz-Date=',
      'Signature=',
      'AWS4-HMAC-SHA256',
      '--',
    ),
  ),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;
const edits = fc.array(edit, { minLength: 1, maxLength: 3 });

function spliced(text: string, changes: readonly Edit[]): string {
  let out = text;
  for (const { at, remove, insert } of changes) {
    const from = Math.floor(at * out.length);
    out = out.slice(0, from) + insert + out.slice(from + remove);
  }
  return out;
}

/** True when accepted; any failure but a StoreError is a bug. */
async function accepted(make: () => SignedRequest): Promise<SignedRequest | undefined> {
  try {
    const request = make();
    await authenticator.authenticate(request, ['header', 'query']);
    return request;
  } catch (error) {
    assert.ok(error instanceof StoreError, String(error));
    return undefined;
  }
}

describe('changed requests', () => {
  it('the originals are accepted', async () => {
    assert.equal(keys.size, 1);
    for (const original of originals) assert.ok(await accepted(() => original));
  });

  it('a changed path or query means the same or is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals), edits, async (original, changes) => {
        const url = spliced(urlOf(original), changes);
        const make = () => ({ ...original, ...parseTarget(url, original.headers['host'] as string, []) });
        const got = await accepted(make);
        if (got) assert.equal(meaning(got), meaning(original), url);
      }),
      runs(3000),
    );
  });

  it('a changed header means the same or is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals), fc.nat(100), edits, async (original, which, changes) => {
        const names = Object.keys(original.headers);
        const name = names[which % names.length]!;
        const headers = { ...original.headers, [name]: spliced(original.headers[name] as string, changes) };
        const got = await accepted(() => ({ ...original, headers }));
        if (!got || name === 'authorization') return;
        assert.equal(meaning(got), meaning(original), `${name}: ${String(headers[name])}`);
      }),
      runs(3000),
    );
  });

  it('a changed Authorization header is accepted only with the same signature over the same list', async () => {
    const parts = (request: SignedRequest) =>
      ['Credential', 'SignedHeaders', 'Signature'].map(
        (name) => new RegExp(`\\b${name}=([^, \t]*)`).exec(request.headers['authorization'] as string)?.[1],
      );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals.slice(0, 2)), edits, async (original, changes) => {
        const authorization = spliced(original.headers['authorization'] as string, changes);
        const got = await accepted(() => ({ ...original, headers: { ...original.headers, authorization } }));
        if (got) assert.deepEqual(parts(got), parts(original));
      }),
      runs(3000),
    );
  });

  it('an added or removed header is refused, unless it is none of ours', async () => {
    const name = fc.oneof(
      fc.constantFrom('x-amz-acl', 'x-amz-copy-source', 'x-amz-', 'x-amz-date', 'x-amz-content-sha256'),
      fc.string().map((text) => `x-amz-${text}`),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...originals), name, fc.string(), async (original, added, value) => {
        if (original.headers[added] === value) return;
        assert.equal(
          await accepted(() => ({ ...original, headers: { ...original.headers, [added]: value } })),
          undefined,
        );
        for (const removed of Object.keys(original.headers)) {
          const { [removed]: _, ...headers } = original.headers;
          assert.equal(await accepted(() => ({ ...original, headers })), undefined, removed);
        }
      }),
      runs(200),
    );
  });

  it('another method is refused', async () => {
    for (const original of originals) {
      for (const method of ['HEAD', 'POST', 'DELETE', 'get', 'GET\nX', ''])
        assert.equal(await accepted(() => ({ ...original, method })), undefined);
    }
  });
});

describe('changed bodies', () => {
  function decoded(form: PayloadForm, body: Buffer) {
    try {
      return decodeWhole(form, body, { decodedLength: plain.length, announced });
    } catch (error) {
      assert.ok(error instanceof StoreError, String(error));
      return undefined;
    }
  }

  it('a signed body gives the same bytes and trailers or is refused', () => {
    assert.ok(plain.equals(decoded(signedForm, signedBody)!.body));
    fc.assert(
      fc.property(edits, (changes) => {
        const got = decoded(signedForm, Buffer.from(spliced(signedBody.toString('latin1'), changes), 'latin1'));
        if (!got) return;
        assert.ok(plain.equals(got.body));
        assert.deepEqual([...got.trailers], trailers);
      }),
      runs(2000),
    );
  });

  it('the framing of an unsigned body gives the announced length or is refused', () => {
    // Edits near the framing: the data between would make most of them dull.
    const text = unsignedBody.toString('latin1');
    const [head, middle, tail] = [text.slice(0, 8), text.slice(8, 8190), text.slice(8190)];
    fc.assert(
      fc.property(edits, edits, (first, second) => {
        const body = Buffer.from(spliced(head, first) + middle + spliced(tail, second), 'latin1');
        const got = decoded(unsignedForm, body);
        if (!got) return;
        assert.equal(got.body.length, plain.length);
        assert.deepEqual([...got.trailers.keys()], [announced]);
      }),
      runs(2000),
    );
  });

  it('any bytes at all are refused without a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.equal(decoded(unsignedForm, Buffer.from(bytes)), undefined);
        assert.equal(decoded(signedForm, Buffer.from(bytes)), undefined);
      }),
      runs(500),
    );
  });
});
