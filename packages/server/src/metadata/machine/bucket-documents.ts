import type { KvReader } from '../../kv/index.ts';
import {
  type ConfigurationKind,
  configurationKinds,
  decodeConfiguration,
  encodeConfiguration,
} from './configurations.ts';
import type { Effect } from './effects.ts';
import { fits } from './fits.ts';
import { keys } from './keys.ts';
import type { Application } from './manifests.ts';
import type { BucketId } from './records.ts';

/* The documents that stand beside the record of a bucket: its configurations, and its source. What they say is known to whoever wrote them. */

/** Reads them. */
export interface DocumentReader {
  /** The document of a bucket's configuration, by the id of the bucket; undefined when it has none of this kind. The same buffer as long as nothing changed it, most of the time. */
  configuration(bucket: BucketId, kind: ConfigurationKind): Buffer | undefined;
  /** What is kept of where the objects of a bucket are read that are not here yet, by the id of the bucket; undefined: nowhere. */
  source(bucket: BucketId): Buffer | undefined;
}

/** The document of a bucket's source. */
export function sourceOf(rows: Pick<KvReader, 'get'>, bucket: BucketId): Buffer | undefined {
  const row = rows.get(keys.source(bucket));
  return row && decodeConfiguration(row);
}

type Type = 'configuration.write' | 'configuration.remove' | 'source.write' | 'source.remove';
type Handlers = { readonly [Each in Type]: (app: Application, effect: Extract<Effect, { type: Each }>) => void };

function remove(app: Application, key: Buffer, what: string): void {
  fits(app.rows.get(key), `${what} that is removed exists`);
  app.rows.set(key, undefined);
}

export const documentHandlers: Handlers = {
  'configuration.write'(app, { bucket, kind, document }) {
    fits(app.view.bucket(bucket), 'the bucket of a configuration exists');
    app.rows.set(keys.configuration(bucket, configurationKinds[kind].number), encodeConfiguration(document));
  },
  'configuration.remove'(app, { bucket, kind }) {
    remove(app, keys.configuration(bucket, configurationKinds[kind].number), 'a configuration');
  },
  'source.write'(app, { bucket, document }) {
    fits(app.view.bucket(bucket), 'the bucket of a source exists');
    app.rows.set(keys.source(bucket), encodeConfiguration(document));
  },
  'source.remove'(app, { bucket }) {
    remove(app, keys.source(bucket), 'a source');
  },
};

/** They go with their bucket: a handful at most. Where they are not known yet there are none. */
export function forgetDocuments(app: Application, bucket: BucketId): void {
  const range = { start: keys.configurationsOf(bucket), end: keys.configurationsEnd(bucket) };
  const configured = [...app.rows.range(range)];
  for (const { key } of configured) app.rows.set(key, undefined);
  app.rows.set(keys.source(bucket), undefined);
}
