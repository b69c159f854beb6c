/* A store on real directories, opened as a server opens it, without a server: for tests of what happens between two starts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type CollectorReport, createCollector } from '../durability/index.ts';
import { realHost } from '../host/index.ts';
import type { IndexEvent } from './indexes.ts';
import { checkStopped } from './offline.ts';
import { type MetadataEvent, type Owner, openOwner } from './owner.ts';

/** A folder of this test, removed after it. */
export function scratch(test: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'dsom-daemon-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface OpenStore extends Owner {
  /** What happened to indexes during the opening. */
  readonly events: readonly IndexEvent[];
  /** What happened to the metadata. */
  readonly metadataEvents: readonly MetadataEvent[];
}

export async function openStore(...data: string[]): Promise<OpenStore> {
  const events: IndexEvent[] = [];
  const onIndex = (event: IndexEvent) => void events.push(event);
  const metadataEvents: MetadataEvent[] = [];
  const owner = await openOwner({
    data,
    host: realHost(),
    create: true,
    onDamage: () => {},
    onIndex,
    onMetadata: (event) => metadataEvents.push(event),
    onSnapshotFailure: (cause) => {
      throw cause;
    },
    cacheBytes: 0,
  });
  return { ...owner, events, metadataEvents };
}

export async function makeBucket({ thread }: Owner, name = 'bucket'): Promise<void> {
  await thread.objects.createBucket({ name, owner: 'root', region: 'us-east-1' });
}

export async function putObject({ thread }: Owner, key: string, bytes: Buffer): Promise<void> {
  async function* stream() {
    yield bytes;
  }
  await thread.objects.put({
    bucket: 'bucket',
    key: Buffer.from(key),
    owner: 'root',
    body: { stream: stream(), length: bytes.length },
    expected: {},
    guard: undefined,
    redundancy: undefined,
    headers: {},
    metadata: [],
    tags: [],
    storageClass: 'STANDARD',
  });
}

export async function deleteObject({ thread }: Owner, key: string): Promise<void> {
  const item = { key: Buffer.from(key), versionId: undefined, guard: undefined };
  await thread.objects.delete('bucket', 'root', [item]);
}

export async function readObject({ thread }: Owner, key: string): Promise<Buffer> {
  const which = { bucket: 'bucket', key: Buffer.from(key), versionId: undefined, guard: undefined };
  const reading = await thread.objects.read(which);
  const pieces: Buffer[] = [];
  for await (const piece of reading.open({ start: 0, end: reading.version.size })) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** One pass of the collector. */
export function collect({ thread, metadata }: Owner): Promise<CollectorReport> {
  const { reader, stores, access } = thread;
  const oldestRead = () => Promise.resolve(undefined);
  return createCollector({ reader, proposer: metadata, access, stores, host: realHost(), oldestRead }).run();
}

/** What `dsom fsck --data` says of a stopped store: all its lines but progress, and the counts of its summary. */
export async function checkOf(data: readonly string[], rebuild?: readonly string[]) {
  const lines: Readonly<Record<string, unknown>>[] = [];
  for await (const line of checkStopped(data, rebuild)) if (line['type'] !== 'progress') lines.push(line);
  const counts = lines.at(-1)?.['counts'] as Readonly<Record<string, number>>;
  const totals = lines.at(-1)?.['totals'] as Readonly<Record<string, number>>;
  return { lines, counts, totals, findings: lines.filter((line) => line['type'] === 'finding') };
}
