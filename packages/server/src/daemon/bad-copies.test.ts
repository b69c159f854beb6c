import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DamageReport } from '../durability/index.ts';
import { limits } from '../limits.ts';
import type { MetadataReader } from '../metadata/index.ts';
import { BadCopies, badCopiesText } from './bad-copies.ts';

type Reader = Pick<MetadataReader, 'stripeOwner' | 'groups'>;
const idOf = (number: number) => Buffer.from(number.toString(16).padStart(32, '0'), 'hex');

/** Stripes 0 to 9 are published, in a group of two devices. */
function setUp() {
  const owned = new Set(Array.from({ length: 10 }, (_, number) => idOf(number).toString('hex')));
  const devices = ['one', 'two'];
  const reader = {
    stripeOwner: (stripe: Buffer) => (owned.has(stripe.toString('hex')) ? { group: 7 } : undefined),
    groups: () => [{ id: 7, devices }],
  } as unknown as Reader;
  const copies = new BadCopies(reader);
  const note = (number: number, more: Partial<DamageReport> = {}) =>
    copies.note({ stripe: idOf(number), device: 'one', reason: 'damaged', repaired: false, ...more });
  const listed = () => copies.list().map(({ stripe, device }) => `${stripe.readUInt32BE(12)} ${device}`);
  return { owned, devices, copies, note, listed };
}

test('a bad copy is known until it was written again, or nobody needs it any more', () => {
  const { owned, devices, note, listed } = setUp();
  note(1);
  note(1, { device: 'two', reason: 'unreadable' });
  note(2);
  note(3, { reason: 'missing' });
  note(4, { repaired: true });
  assert.deepEqual(listed(), ['1 one', '1 two', '2 one']);
  note(1, { repaired: true });
  assert.deepEqual(listed(), ['1 two', '2 one']);
  owned.delete(idOf(2).toString('hex'));
  assert.deepEqual(listed(), ['1 two']);
  devices[1] = 'three';
  assert.deepEqual(listed(), []);
});

test('a whole scrub that does not meet it again forgets it, one that was stopped does not', () => {
  const { copies, note, listed } = setUp();
  note(1);
  note(2);
  copies.scrubbed();
  note(2);
  assert.deepEqual(listed(), ['1 one', '2 one']);
  const done = copies.scrubbed();
  note(2);
  done();
  assert.deepEqual(listed(), ['2 one']);
});

test('there is a bound, and what is said of it is true', () => {
  const { owned, note, listed } = setUp();
  for (let number = 0; number < limits.reportedFindings + 5; number++) {
    owned.add(idOf(number).toString('hex'));
    note(number);
  }
  assert.equal(listed().length, limits.reportedFindings);
  assert.match(badCopiesText(limits.reportedFindings), /^1000 or more copies of stripes are damaged/);
  assert.match(badCopiesText(1), /^a copy of a stripe is damaged/);
  assert.match(badCopiesText(2), /^2 copies of stripes are damaged/);
});
