import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../limits.ts';
import { connectionShare, fewFilesText, softLimitOf } from './open-files.ts';

test('the limit is read as Linux writes it', () => {
  const lines = (value: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             100                  100                  processes \nMax open files            ${value.padEnd(21)}524288               files     \n`;
  assert.equal(softLimitOf(lines('1024')), 1024);
  assert.equal(softLimitOf(lines('unlimited')), undefined);
  assert.equal(softLimitOf(''), undefined);
});

test('connections never have all files, and have all their places where there are files enough', () => {
  fc.assert(
    fc.property(fc.integer({ min: 150, max: 2_000_000 }), fc.integer({ min: 1, max: 64 }), (files, serving) => {
      const { most, ending } = connectionShare(files, serving);
      assert.ok(most >= 1 && ending >= 1 && most <= limits.connections && ending <= limits.connectionsEnding);
      const text = fewFilesText(files, serving);
      assert.equal(text === undefined, most === limits.connections);
      if (most > limits.connectionsLeast) assert.ok((most + ending) * serving + limits.ownFiles < files);
      const enough = Number(/Allow (\d+)/.exec(text ?? '')?.[1] ?? files);
      assert.deepEqual(connectionShare(enough, serving).most, limits.connections);
    }),
  );
  assert.deepEqual(connectionShare(undefined, 4), { most: limits.connections, ending: limits.connectionsEnding });
});
