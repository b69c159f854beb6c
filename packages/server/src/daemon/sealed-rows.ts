import { isSealedBefore } from '../codec/index.ts';
import type { Host } from '../host/index.ts';
import {
  bucketContext,
  type KeyService,
  kmsContext,
  secretContext,
  sourceContext,
  targetContext,
} from '../keys/index.ts';
import { limits } from '../limits.ts';
import { type MetadataReader, type SealedAnew, type SealedKind, sealedInDocument } from '../metadata/index.ts';
import { authorityContext } from './cluster/links.ts';

/*
 * Everything in the metadata that the master key seals. What an object shard has of a bucket's record is a copy that nobody opens: keys are read from the
 * system shard. What is not here: `authority.sealed` of a node's own directory, tokens of sessions, and the root key of the environment.
 */

interface SealedRow extends Omit<SealedAnew, 'after'> {
  /** What was sealed, out of `before`. */
  readonly sealed: Buffer;
  readonly context: Buffer;
}

/** Rows that hang on a key, by what they are. */
export type Hanging = Readonly<Record<SealedKind, number>> & { readonly total: number };

type Reader = Pick<MetadataReader, 'buckets' | 'accessKeys' | 'kms' | 'targets' | 'source' | 'authority'>;

/** In pages, with a pause between them: nobody waits for this. */
async function* sealedRows(reader: Reader, host: Host): AsyncGenerator<readonly SealedRow[]> {
  for (let start = '', more = true; more; ) {
    const { items, truncated } = reader.buckets(start, limits.listPage);
    const page: SealedRow[] = [];
    for (const { id, name, wrappedKey } of items) {
      page.push({ kind: 'bucket', name, before: wrappedKey, sealed: wrappedKey, context: bucketContext(name) });
      const document = reader.source(id);
      if (document) page.push(ofDocument('source', name, document, sourceContext(name, endpointIn(document))));
    }
    yield page;
    if (truncated) await host.timers.sleep(0);
    more = truncated;
    start = `${items.at(-1)?.name ?? ''}\0`;
  }
  yield reader.accessKeys().map(
    ({ id, sealedSecret }): SealedRow => ({
      kind: 'accessKey',
      name: id,
      before: sealedSecret,
      sealed: sealedSecret,
      context: secretContext(id),
    }),
  );
  for (const { id, versions } of reader.kms.all())
    yield versions.map((sealed, at): SealedRow => {
      const version = at + 1;
      return { kind: 'namedKey', name: id, version, before: sealed, sealed, context: kmsContext(id, version) };
    });
  yield Array.from(reader.targets(), ([name, document]) => ofDocument('target', name, document, targetContext(name)));
  const sealed = reader.authority()?.sealed;
  if (sealed) yield [{ kind: 'authority', name: '', before: sealed, sealed, context: authorityContext }];
}

const ofDocument = (kind: SealedKind, name: string, document: Buffer, context: Buffer): SealedRow => ({
  kind,
  name,
  before: document,
  sealed: sealedInDocument(document),
  context,
});

function endpointIn(document: Buffer): string {
  try {
    return String((JSON.parse(document.toString('utf8')) as { endpoint?: unknown }).endpoint);
  } catch {
    return '';
  }
}

/** Counts the rows that hang on master keys before `first`, those that cannot be read among them. */
export async function countHanging(reader: Reader, first: number, host: Host): Promise<Hanging> {
  const counts = { bucket: 0, accessKey: 0, namedKey: 0, target: 0, source: 0, authority: 0, total: 0 };
  for await (const page of sealedRows(reader, host))
    for (const { kind, sealed } of page) {
      if (!isSealedBefore(sealed, first)) continue;
      counts[kind] += 1;
      counts.total += 1;
    }
  return counts;
}

/** The same plaintext, under the key that seals now. @throws StoreError AccessDenied where it does not open */
export async function sealedAnew(keys: KeyService, sealed: Buffer, context: Buffer): Promise<Buffer> {
  const plain = await keys.unwrap(sealed, context);
  const anew = await keys.wrap(plain, context);
  plain.fill(0);
  return anew;
}

async function anewOf(keys: KeyService, { kind, before, sealed, context }: SealedRow): Promise<Buffer> {
  const anew = await sealedAnew(keys, sealed, context);
  if (kind !== 'target' && kind !== 'source') return anew;
  const document = JSON.parse(before.toString('utf8')) as object;
  return Buffer.from(JSON.stringify({ ...document, sealed: anew.toString('base64') }));
}

export interface ResealOptions {
  readonly reader: Reader;
  readonly keys: KeyService;
  readonly host: Host;
  /** Key number; what older ones sealed is sealed anew. */
  readonly first: number;
  readonly propose: (items: readonly SealedAnew[]) => Promise<unknown>;
  /** Hears of a row that does not open; it hangs on its key for good. */
  readonly onUnreadable: (kind: SealedKind, name: string, cause: unknown) => void;
  readonly signal: AbortSignal;
}

/** Seals rows anew, `limits.resealTogether` in an entry of the log. Goes on where it was broken off, since what was sealed says with which key. */
export async function reseal(options: ResealOptions): Promise<void> {
  const { reader, keys, host, first, propose, onUnreadable, signal } = options;
  let batch: SealedAnew[] = [];
  const send = async (): Promise<void> => {
    if (batch.length > 0) await propose(batch);
    batch = [];
  };
  for await (const page of sealedRows(reader, host))
    for (const row of page) {
      if (!isSealedBefore(row.sealed, first)) continue;
      signal.throwIfAborted();
      const { kind, name, version, before } = row;
      try {
        const after = await anewOf(keys, row);
        batch.push({ kind, name, before, after, ...(version !== undefined && { version }) });
      } catch (cause) {
        onUnreadable(kind, name, cause);
      }
      if (batch.length >= limits.resealTogether) await send();
    }
  await send();
}
