import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { boundaryOf, readForm } from './multipart-form.ts';

/** The body in pieces that end where the numbers say. */
async function* cut(body: Buffer, at: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const end of [...at.map((one) => one % (body.length + 1)), body.length].sort((a, b) => a - b)) {
    if (end > from) yield body.subarray(from, end);
    from = end;
  }
}

async function taken(source: AsyncIterable<Uint8Array>, boundary: string) {
  const form = await readForm(source, boundary);
  const chunks: Uint8Array[] = [];
  for await (const chunk of form.file?.bytes ?? []) chunks.push(Buffer.from(chunk));
  return { fields: form.fields, name: form.file?.name, bytes: form.file && Buffer.concat(chunks) };
}

const boundary = 'x-y';
const part = (name: string, value: Buffer | string, more = '') =>
  Buffer.concat([
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ]);
const end = Buffer.from(`--${boundary}--\r\n`);

describe('a form', () => {
  it('reads the same however it is cut, also where the file looks like a boundary', async () => {
    const piece = fc.constantFrom('\r\n', '\r', '\n', '--', '-', 'x-', 'x-y', '--x-y', '\r\n--x-', 'a', '\0');
    const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { maxLength: 3 }),
        text,
        fc.array(fc.nat(400), { maxLength: 20 }),
        async (values, file, cuts) => {
          const clean = (value: string) => !`\r\n${value}\r\n`.includes(`\r\n--${boundary}`);
          fc.pre([...values, file].every(clean));
          const parts = values.map((value, i) => part(`f${i}`, value));
          const body = Buffer.concat([...parts, part('file', file, '; filename="n"'), end]);
          const got = await taken(cut(body, cuts), boundary);
          assert.deepEqual(
            got.fields,
            values.map((value, i) => ({ name: `f${i}`, value })),
          );
          assert.deepEqual([got.name, got.bytes?.toString('latin1')], ['n', file]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is refused or read, whatever stands in it, and never ends early', async () => {
    const whole = Buffer.concat([part('key', 'k'), part('file', 'content', '; filename="a"'), end]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.nat(255),
        fc.array(fc.nat(200), { maxLength: 5 }),
        async (at, byte, cuts) => {
          const changed = Buffer.from(whole);
          changed[at] = byte;
          for (const body of [changed, whole.subarray(0, at)])
            try {
              const got = await taken(cut(body, cuts), boundary);
              assert.ok(body.length === whole.length || at >= whole.length - 2, 'what was cut off is not whole');
              assert.ok(got.fields.length <= 2);
            } catch (error) {
              assert.ok(error instanceof StoreError && error.http < 500, `${error}`);
            }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('without a file has its fields', async () => {
    const got = await taken(cut(Buffer.concat([part('a', '1'), end]), []), boundary);
    assert.deepEqual([got.fields, got.bytes], [[{ name: 'a', value: '1' }], undefined]);
  });
});

describe('the boundary of a form', () => {
  it('is read in each of its forms', () => {
    for (const [type, found] of [
      ['multipart/form-data; boundary=abc', 'abc'],
      ['Multipart/Form-Data;boundary="a b"', 'a b'],
      ['multipart/form-data; charset=utf-8; BOUNDARY=abc ; x=y', 'abc'],
      ['multipart/mixed; boundary=abc', undefined],
      [undefined, undefined],
    ] as const)
      assert.equal(boundaryOf(type), found);
  });
});
