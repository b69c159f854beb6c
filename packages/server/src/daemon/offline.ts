import { crossCheck } from '../durability/index.ts';
import { realHost } from '../host/index.ts';
import { reportLines } from './checks.ts';
import { openOwner } from './owner.ts';

/**
 * Cross-checks a store whose server does not run: opens it as a start would (recovery included), looks, and closes it again.
 * @returns lines as `POST /-/admin/v1/fsck` gives them: progress, findings, and a summary
 * @throws ConfigError when the directories are not a store, or a server has them open
 */
export async function* checkStopped(data: readonly string[]): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const host = realHost();
  const owner = await openOwner({ data, host, create: false, cacheBytes: 0, onDamage: () => {} });
  try {
    const { reader, stores } = owner.thread;
    const check = crossCheck({ reader, groups: () => reader.groups(), stores, host });
    let done = false;
    const ended = check.report.finally(() => (done = true));
    ended.catch(() => {});
    // The process would end while only these timers are left, so wait for the report too.
    while (!done) {
      await Promise.race([host.timers.sleep(500), ended]);
      yield { type: 'progress', ...check.progress() };
    }
    yield* reportLines(await check.report);
  } finally {
    await owner.close();
  }
}
