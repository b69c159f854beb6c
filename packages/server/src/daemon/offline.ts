import { type CheckReport, crossCheck } from '../durability/index.ts';
import { realHost } from '../host/index.ts';
import type { KvLook } from '../kv/index.ts';
import { reportLines } from './checks.ts';
import type { IndexEvent } from './indexes.ts';
import { opensInline } from './inline.ts';
import { type MetadataEvent, openOwner } from './owner.ts';

type Line = Readonly<Record<string, unknown>>;

/** How far an index is that is made anew, and what came of it, as lines. */
function indexLine({ device, ...event }: IndexEvent): Line {
  if (event.state === 'looking') return lookLine(event);
  if (event.state !== 'searching') return { type: 'index', device, ...event };
  const phase = `making the index of device ${device} anew`;
  return { type: 'progress', phase, done: event.slabs, total: event.slabsInAll, bytes: 0 };
}

const lookLine = ({ directory, bytes, bytesInAll }: KvLook): Line => ({
  type: 'progress',
  phase: `looking at the structure of ${directory}`,
  done: bytes,
  total: bytesInAll,
  bytes,
});

/** What happened to the metadata, as a line. */
function metadataLine(event: MetadataEvent): Line {
  if (event.state === 'looking') return lookLine(event);
  if (event.state === 'lost') return { type: 'metadata', ...event, cause: (event.cause as Error).message };
  return { type: 'metadata', ...event };
}

/**
 * Cross-checks a store whose server does not run: opens it as a start would (recovery included), looks, and closes it again.
 * @param rebuild data directories whose fragment index is made anew first, although it can be read
 * @returns lines as `POST /-/admin/v1/fsck` gives them: progress, findings, and a summary; before them what happened to indexes
 * @throws ConfigError when the directories are not a store, or a server has them open
 */
export async function* checkStopped(data: readonly string[], rebuild: readonly string[] = []): AsyncGenerator<Line> {
  const host = realHost();
  const waiting: Line[] = [];
  const onIndex = (event: IndexEvent) => void waiting.push(indexLine(event));
  /** Shows lines while something goes on. The process would end while only timers are left, so it is waited for too. */
  async function* meanwhile(going: Promise<unknown>, line?: () => Line): AsyncGenerator<Line> {
    let over = false;
    const end = going.then(
      () => (over = true),
      () => (over = true),
    );
    while (!over) {
      await Promise.race([host.timers.sleep(500), end]);
      yield* waiting.splice(0);
      if (line) yield line();
    }
  }
  const onMetadata = (event: MetadataEvent) => void waiting.push(metadataLine(event));
  const quiet = { onDamage: () => {}, onSnapshotFailure: () => {} };
  const opening = openOwner({
    data,
    host,
    create: false,
    cacheBytes: 0,
    onIndex,
    onMetadata,
    rebuild,
    thorough: true,
    ...quiet,
  });
  yield* meanwhile(opening);
  const owner = await opening;
  try {
    const { reader, stores, objects } = owner.thread;
    const check = crossCheck({
      reader,
      groups: () => reader.groups(),
      stores,
      host,
      states: { list: () => owner.kvs },
      opensInline: opensInline(objects),
    });
    yield* meanwhile(check.report, () => ({ type: 'progress', ...check.progress() }));
    const report: CheckReport = await check.report;
    yield* reportLines(report);
  } finally {
    await owner.close();
  }
}
