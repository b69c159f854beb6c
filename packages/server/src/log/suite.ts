import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Log, LogEntry, Position } from './types.ts';

/** One log that can be opened again after it was closed. Segments, the kept tail and entries must be small: see `suiteLimits`. */
export type MakeLog = () => Promise<{ open(): Promise<Log> }>;

/** What the cases below count on. */
export const suiteLimits = { segmentBytes: 16_384, tailBytes: 32_768, entryBytes: 8000 } as const;

export async function entries(log: Log, from: Position = log.tail): Promise<LogEntry[]> {
  const all: LogEntry[] = [];
  for await (const entry of log.read(from)) all.push(entry);
  return all;
}

const text = (entry: LogEntry): string => entry.payload.toString();

/** Numbers the payload, so that any loss or swap shows. */
export function payload(number: number, length = 10): Buffer {
  return Buffer.from(`${number} `.padEnd(length, `${number} `));
}

/** What every log does. */
export function describeLog(product: string, make: MakeLog): void {
  describe(`log: ${product}`, () => {
    it('begins empty', async () => {
      const log = await (await make()).open();
      assert.deepEqual([log.head, log.tail, log.bytes], [0, 1, 0]);
      assert.deepEqual(await entries(log), []);
      await log.reached(0);
      await log.close();
    });

    it('numbers appends in the order of their calls, and gives each back', async () => {
      const log = await (await make()).open();
      const appended = await Promise.all(Array.from({ length: 100 }, (_, i) => log.append(payload(i + 1))));
      assert.deepEqual(
        appended.map(({ position }) => position),
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
      assert.equal(log.head, 100);
      const read = await entries(log);
      assert.deepEqual(read, appended);
      assert.equal(new Set(read.map(({ hash }) => hash.toString('hex'))).size, 100);
      assert.ok(read.every(({ hash }) => hash.length === 16));
      assert.deepEqual(
        (await entries(log, 98)).map(text),
        [98, 99, 100].map((i) => payload(i).toString()),
      );
      assert.deepEqual(await entries(log, 101), []);
      assert.deepEqual(await entries(log, 1000), []);
      await log.close();
    });

    it('carries payloads of every size up to the largest, and refuses larger ones', async () => {
      const source = await make();
      const log = await source.open();
      const sizes = [0, 1, 63, 64, 4096, suiteLimits.entryBytes];
      await assert.rejects(log.append(Buffer.alloc(suiteLimits.entryBytes + 1)), /no larger than/);
      for (const size of sizes) await log.append(Buffer.alloc(size, size));
      await log.append(new Uint8Array([1, 2, 3]));
      await log.close();
      const again = await source.open();
      const read = (await entries(again)).map((entry) => entry.payload);
      assert.deepEqual(read, [...sizes.map((size) => Buffer.alloc(size, size)), Buffer.from([1, 2, 3])]);
      await again.close();
    });

    it('is the same log when it is opened again, in a new epoch', async () => {
      const source = await make();
      const first = await source.open();
      for (let i = 1; i <= 30; i++) await first.append(payload(i, 1000));
      const before = await entries(first);
      const { epoch, bytes } = first;
      await first.close();
      const second = await source.open();
      assert.equal(second.head, 30);
      assert.equal(second.bytes, bytes);
      assert.deepEqual(await entries(second), before);
      assert.ok(second.epoch > epoch);
      const entry = await second.append(payload(31));
      assert.deepEqual([entry.position, entry.epoch], [31, second.epoch]);
      assert.deepEqual(await entries(second), [...before, entry]);
      await second.close();
    });

    it('reads up to the head at the time of the call, whatever is appended meanwhile', async () => {
      const log = await (await make()).open();
      for (let i = 1; i <= 20; i++) await log.append(payload(i, 2000));
      const seen: Position[] = [];
      for await (const { position } of log.read(5)) {
        seen.push(position);
        await log.append(payload(0, 2000));
      }
      assert.deepEqual(seen, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
      await log.close();
    });

    it('tells when a position is reached', async () => {
      const log = await (await make()).open();
      const order: string[] = [];
      const note = (what: string) => () => order.push(what);
      const stop = new AbortController();
      const third = log.reached(3).then(note('3'));
      const second = log.reached(2).then(note('2'));
      const never = log.reached(99, stop.signal).then(note('stopped'));
      await log.append(payload(1));
      await log.append(payload(2));
      await second;
      assert.deepEqual(order, ['2']);
      await log.append(payload(3));
      await third;
      stop.abort();
      await never;
      await log.reached(99, AbortSignal.abort());
      assert.deepEqual(order, ['2', '3', 'stopped']);
      await log.close();
    });

    it('ends with its close', async () => {
      const log = await (await make()).open();
      const appended = log.append(payload(1));
      const waiting = assert.rejects(log.reached(5));
      await log.close();
      await log.close();
      assert.equal((await appended).position, 1);
      await waiting;
      await assert.rejects(log.append(payload(2)));
      await assert.rejects(entries(log));
    });

    it('drops what was trimmed, whole segments at a time, and keeps all else', async () => {
      const source = await make();
      const log = await source.open();
      for (let i = 1; i <= 60; i++) await log.append(payload(i, 1000));
      const bytes = log.bytes;
      const all = await entries(log);
      await log.trim(0);
      assert.equal(log.tail, 1);
      await log.trim(40);
      assert.ok(log.tail > 1 && log.tail <= 40, `tail ${log.tail}`);
      assert.ok(log.bytes < bytes);
      await log.trim(10);
      assert.deepEqual(await entries(log), all.slice(log.tail - 1));
      await assert.rejects(entries(log, log.tail - 1), RangeError);
      await log.trim(1000);
      assert.ok(log.tail > 40 && log.tail <= 61);
      const { tail } = log;
      await log.close();
      const again = await source.open();
      assert.deepEqual([again.tail, again.head], [tail, 60]);
      assert.deepEqual(await entries(again), all.slice(tail - 1));
      for (let i = 61; i <= 200; i++) await again.append(payload(i, 1000));
      assert.deepEqual(
        (await entries(again)).map(text).slice(-140),
        Array.from({ length: 140 }, (_, i) => payload(61 + i, 1000).toString()),
      );
      await again.close();
    });

    it('keeps for a follower what it has not acknowledged', async () => {
      const log = await (await make()).open();
      const follower = log.follow('feed', 1);
      for (let i = 1; i <= 30; i++) await log.append(payload(i, 1000));
      await log.trim(25);
      assert.equal(log.tail, 1);
      assert.equal(follower.lost, false);
      follower.acknowledge(20);
      follower.acknowledge(3);
      await log.trim(25);
      assert.ok(log.tail > 1 && log.tail <= 20);
      assert.deepEqual(text((await entries(log, 20))[0] as LogEntry), payload(20, 1000).toString());
      follower.close();
      follower.close();
      const { tail } = log;
      await log.trim(30);
      assert.ok(log.tail >= tail);
      assert.throws(() => [log.follow('one', 1), log.follow('one', 1)]);
      assert.equal(log.follow('late', 1).lost, true);
      await log.close();
    });

    it('loses a follower that would keep more than the bound', async () => {
      const log = await (await make()).open();
      const slow = log.follow('slow', 1);
      const quick = log.follow('quick', 1);
      for (let i = 1; i <= 150; i++) {
        await log.append(payload(i, 1000));
        quick.acknowledge(i);
        if (i % 10 === 0) await log.trim(i);
      }
      assert.equal(slow.lost, true);
      assert.equal(quick.lost, false);
      assert.ok(log.bytes <= suiteLimits.tailBytes + 2 * suiteLimits.segmentBytes, `${log.bytes} bytes kept`);
      slow.acknowledge(1000);
      assert.equal(slow.lost, true);
      await log.close();
    });

    it('is a list, whatever is done to it', () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.oneof(
              { weight: 6, arbitrary: fc.record({ append: fc.array(fc.nat({ max: 3000 }), { maxLength: 12 }) }) },
              { weight: 1, arbitrary: fc.record({ trim: fc.double({ min: 0, max: 1, noNaN: true }) }) },
              { weight: 1, arbitrary: fc.constant({ reopen: true }) },
              { weight: 2, arbitrary: fc.record({ read: fc.double({ min: 0, max: 1, noNaN: true }) }) },
            ),
            { maxLength: 25 },
          ),
          async (steps) => {
            const source = await make();
            let log = await source.open();
            const model: LogEntry[] = [];
            let trimmed = 1;
            for (const step of steps) {
              if ('append' in step) {
                const appends = step.append.map((length, i) => log.append(payload(model.length + i + 1, length)));
                model.push(...(await Promise.all(appends)));
                assert.equal(log.head, model.length);
              } else if ('trim' in step) {
                const position = Math.floor(step.trim * (log.head + 2));
                await log.trim(position);
                trimmed = Math.max(trimmed, position);
                assert.ok(log.tail <= trimmed);
              } else if ('read' in step) {
                const from = log.tail + Math.floor(step.read * (log.head - log.tail + 2));
                assert.deepEqual(await entries(log, from), model.slice(from - 1));
              } else {
                await log.close();
                log = await source.open();
              }
            }
            assert.deepEqual(await entries(log), model.slice(log.tail - 1));
            await log.close();
          },
        ),
        { numRuns: 30 },
      ));
  });
}
