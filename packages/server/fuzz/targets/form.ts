import assert from 'node:assert/strict';
import { boundaryOf, readForm } from '../../src/api/http/multipart-form.ts';
import { fieldsOf } from '../../src/api/s3/post/fields.ts';
import { checkPostPolicy, parsePostPolicy } from '../../src/api/s3/post/policy.ts';
import { StoreError } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { Dice } from '../dice.ts';
import type { Target } from '../target.ts';

/*
 * The body of an upload by HTML form, behind a line with its Content-Type. What is read does not depend on how the body was cut on its way, and the policy in
 * it, where there is one, is refused or decided.
 */

interface Outcome {
  readonly fields: readonly (readonly [string, string])[];
  readonly file: string | undefined;
  readonly name: string | undefined;
}

async function* cut(body: Buffer, dice: Dice | undefined): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; ) {
    const end = dice ? Math.min(body.length, at + 1 + dice.below(dice.pick([1, 3, 100, 5000]))) : body.length;
    yield body.subarray(at, end);
    at = end;
  }
}

async function read(type: string, body: Buffer, dice?: Dice): Promise<Outcome | string> {
  try {
    const boundary = boundaryOf(type);
    if (boundary === undefined) return 'no form';
    const form = await readForm(cut(body, dice), boundary);
    const chunks: Uint8Array[] = [];
    for await (const chunk of form.file?.bytes ?? []) chunks.push(Buffer.from(chunk));
    const fields = form.fields.map(({ name, value }) => [name, value] as const);
    return { fields, file: form.file && Buffer.concat(chunks).toString('latin1'), name: form.file?.name };
  } catch (error) {
    assert.ok(error instanceof StoreError, `not a StoreError: ${error instanceof Error ? error.stack : String(error)}`);
    assert.ok(error.http >= 400 && error.http < 500, error.code);
    return error.code;
  }
}

function decide({ fields, name }: Outcome): void {
  const file = { name: name ?? '', bytes: cut(Buffer.alloc(0), undefined) };
  try {
    const found = fieldsOf({ fields: fields.map(([name, value]) => ({ name, value })), file }, 'bucket');
    assert.equal(found.get('bucket'), 'bucket');
    const { least, most } = checkPostPolicy(parsePostPolicy(found.get('policy') ?? ''), found, 0);
    assert.ok(least >= 0 && most <= limits.singlePutBytes);
  } catch (error) {
    if (!(error instanceof StoreError) || error.http >= 500) throw error;
  }
}

export const target: Target = {
  name: 'form',
  maximum: 4096,
  words: [
    'multipart/form-data; boundary=x-y',
    '\r\n--x-y\r\n',
    '\r\n--x-y--\r\n',
    '\r\n--x-y',
    '--x-y',
    '\r\n\r\n',
    '\r\n',
    '--',
    'Content-Disposition: form-data; name="file"; filename="a"',
    'Content-Disposition: form-data; name="key"',
    'Content-Disposition: form-data; name=policy',
    'Content-Type: text/plain',
    '; name="',
    '\\"',
    '%22',
    '"',
    '${filename}',
    'eyJleHBpcmF0aW9uIjoiMjAzMC0wMS0wMVQwMDowMDowMFoiLCJjb25kaXRpb25zIjpbWyJzdGFydHMtd2l0aCIsIiRrZXkiLCIiXV19',
    '\0',
    '\xff',
  ],
  async check(input, dice) {
    const end = input.indexOf('\n');
    const type = input.toString('latin1', 0, Math.max(0, end));
    const body = input.subarray(end + 1);
    const whole = await read(type, body);
    assert.deepEqual(await read(type, body, dice), whole, 'it depends on how the body is cut');
    if (typeof whole !== 'string') decide(whole);
  },
};
