import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { changeCountOf } from './counts.ts';
import { dataFile, openEnvironment } from './environment.ts';
import type { KvView } from './types.ts';
import { Reads } from './view.ts';

/** What a reader in another thread needs. */
export interface KvReaderOptions {
  readonly directory: string;
  readonly host: Host;
  /** The owner's {@link SharedKv.counts}. Without it every read costs a renewal, a few µs, and nothing may be kept. */
  readonly counts?: Int32Array;
}

/**
 * Reads a KV in another thread than its owner's; the owner must have it open in this process, and close it last.
 * A commit is visible here as soon as the owner's call of `commit` has returned.
 */
export function openKvReader(options: KvReaderOptions): KvView {
  const directory = resolve(options.directory);
  invariant(existsSync(join(directory, dataFile)), 'a KV is opened by its owner before anybody reads it');
  const environment = openEnvironment(directory, undefined, true);
  const reads = new Reads(environment, directory, options.host, options.counts ?? 'always');
  let closed = false;
  const alive = (): Reads => {
    invariant(!closed, 'a KV is not read after its close');
    return reads;
  };
  const { counts } = options;
  return {
    changeCount: (first) => counts && changeCountOf(counts, first),
    get: (key) => alive().get(key),
    range: (range) => alive().range(range),
    snapshot: (ageMs) => alive().snapshot(ageMs),
    async close() {
      if (closed) return;
      closed = true;
      reads.releaseAll();
      await environment.close();
    },
  };
}
