import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MacKey } from './index.ts';

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text, 'latin1').digest();

describe('a MAC key', () => {
  it('gives the codes of HMAC-SHA256, whatever the length of key and text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 1024 }), (bytes, content) => {
        const secret = Buffer.from(bytes);
        const text = Buffer.from(content).toString('latin1');
        const key = new MacKey(secret);
        assert.deepEqual(key.code(text), hmac(secret, text));
        assert.deepEqual(key.code(content), hmac(secret, text));
        assert.equal(key.hex(text), hmac(secret, text).toString('hex'));
        const long = text.repeat(20);
        assert.equal(key.hexOfLong(long), hmac(secret, long).toString('hex'));
      }),
    );
  });

  it('does not mix the texts of two keys', () => {
    const [one, two] = [new MacKey(Buffer.from('one')), new MacKey(Buffer.from('two'))];
    const first = one.hex('a long text, which the other key is not given');
    two.hex('a');
    assert.equal(one.hex('a long text, which the other key is not given'), first);
  });

  it('refuses a text that is too long', () => {
    assert.throws(() => new MacKey(Buffer.from('key')).hex('x'.repeat(1025)));
  });
});
