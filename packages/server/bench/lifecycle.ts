/*
 * A pass of the lifecycle over one shard in a real KV, with twenty rules of as many prefixes: looking at every version, then expiring a tenth of them. What
 * requests feel of it is the time of one put after the other, beside the pass and without one. Log entries stay in memory: how fast a disk syncs is not what is measured.
 */
import { realHost } from '../src/host/index.ts';
import { openKv } from '../src/kv/index.ts';
import { openMetadata, versionScan } from '../src/metadata/index.ts';
import { draftOf, inlinePiece, TestLog } from '../src/metadata/rig.support.ts';
import { compileLifecycle } from '../src/objects/lifecycle/compile.ts';
import { createLifecyclePass } from '../src/objects/lifecycle/pass.ts';
import { processPlaceMemory } from '../src/objects/lifecycle/place.ts';
import type { Lifecycle, LifecycleRule } from '../src/objects/lifecycle/rules.ts';
import { scratch } from './rig.ts';

export interface LifecycleFigures {
  readonly objects: number;
  /** Versions looked at in a second: by the clock, and by CPU time. */
  readonly looked: number;
  readonly lookedByCpu: number;
  /** Objects expired in a second by the clock, the look included. */
  readonly expired: number;
  /** 99th percentile of a put, ms: alone, while the pass looks, and while it expires. */
  readonly alone: number;
  readonly looking: number;
  readonly expiring: number;
}

const prefixes = 20;
const prefixOf = (at: number): string => `p${String(at % prefixes).padStart(2, '0')}/`;

const rule = (at: number, dateMs: number | undefined): LifecycleRule => ({
  id: String(at),
  enabled: true,
  filter: { prefix: Buffer.from(prefixOf(at)), tags: [], sizeAbove: undefined, sizeBelow: undefined },
  expiration: dateMs === undefined ? { days: 365 } : { dateMs },
  transitions: [{ when: { days: 90 }, storageClass: 'STANDARD_IA' }],
  noncurrentExpiration: { days: 30, newer: 3 },
  noncurrentTransitions: [],
  abortDays: 7,
});
/** @param expiring rules whose objects are due */
const rules = (expiring: number): Lifecycle => ({
  minimum: 'all_storage_classes_128K',
  rules: Array.from({ length: prefixes }, (_, at) => rule(at, at < expiring ? 0 : undefined)),
});

export async function lifecycleFigures(objects: number): Promise<LifecycleFigures> {
  const host = realHost();
  const kv = await openKv({ directory: scratch('lifecycle'), host });
  const metadata = await openMetadata({ log: new TestLog(), kv, host, shard: 0 });
  const about = { owner: 'o', region: 'r', wrappedKey: Buffer.from('k') };
  const made = await metadata.propose({ type: 'bucket.create', name: 'bench', ...about });
  if (made.reply.type !== 'bucket') throw new Error('no bucket was made');
  const bucket = made.reply.bucket.id;
  const piece = inlinePiece(Buffer.alloc(512, 7));
  const draft = draftOf(piece.size, piece.md5);
  const put = (key: string) =>
    metadata.propose({
      type: 'object.put',
      bucket,
      key: Buffer.from(key),
      owner: 'o',
      guard: undefined,
      draft,
      pieces: [piece],
    });
  for (let first = 0; first < objects; first += 2000)
    await Promise.all(
      Array.from({ length: Math.min(2000, objects - first) }, (_, at) =>
        put(`${prefixOf(first + at)}${String(first + at).padStart(9, '0')}`),
      ),
    );
  await kv.checkpoint();
  let compiled = compileLifecycle(rules(0));
  const configure = (expiring: number) => {
    compiled = compileLifecycle(rules(expiring));
    const document = Buffer.from(`rules ${expiring}`);
    return metadata.propose({ type: 'bucket.configure', name: 'bench', kind: 'lifecycle', document });
  };
  const pass = createLifecyclePass({
    rooms: { reader: metadata.reader, proposer: metadata, host },
    shared: false,
    shards: [{ number: 0, scan: versionScan(kv), reader: metadata.reader, leads: () => true }],
    compiled: () => compiled,
    dayMs: 86_400_000,
    memory: processPlaceMemory(),
    onError: (cause) => console.error(cause),
  });
  /** One put after the other as long as `work` goes on. */
  const beside = async (work: Promise<unknown>): Promise<number> => {
    let ended = false;
    void work.finally(() => (ended = true));
    const times: number[] = [];
    for (let at = 0; !ended && at < 100_000; at++) {
      const began = performance.now();
      await put(`z/${at % 1000}`);
      times.push(performance.now() - began);
      await host.timers.sleep(1);
    }
    await work;
    times.sort((a, b) => a - b);
    return times[Math.floor(times.length * 0.99)] ?? Number.NaN;
  };
  const signal = new AbortController().signal;
  const alone = await beside(host.timers.sleep(3000));
  await configure(0);
  const cpu = process.cpuUsage();
  let began = performance.now();
  await pass.run(signal);
  const looked = (pass.totals().versions / (performance.now() - began)) * 1000;
  const used = process.cpuUsage(cpu);
  const lookedByCpu = (pass.totals().versions / (used.user + used.system)) * 1e6;
  await configure(-1);
  const looking = await beside(pass.run(signal));
  await configure(prefixes / 10);
  began = performance.now();
  const expiring = await beside(pass.run(signal));
  const expired = (pass.totals().expired / (performance.now() - began)) * 1000;
  await metadata.close();
  return { objects, looked, lookedByCpu, expired, alone, looking, expiring };
}
