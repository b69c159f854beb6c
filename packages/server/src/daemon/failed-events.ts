import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { type FailedEvent, type FollowedShard, failedEvent, type Sender } from '../notifications/index.ts';

/* The events that targets have refused for good, as an operator sees them, has them delivered again, and gives them up. Any node does, from its own replica. */

/** Some of them. An id is the number of the shard, `/`, and the name there. */
export interface FailedEvents {
  readonly target: string;
  readonly ids: readonly string[];
}

interface Found {
  readonly shard: FollowedShard;
  readonly name: string;
  readonly event: FailedEvent;
}

export interface FailedOptions {
  readonly shards: () => readonly FollowedShard[];
  readonly targets: () => ReadonlyMap<string, Buffer>;
  readonly open: (name: string, record: Buffer) => Promise<Sender>;
  readonly host: Host;
}

/** Sends, and waits no longer than a delivery does. */
export async function sendOnce(sender: Sender, message: { id: string; body: Buffer }, { timers }: Host): Promise<void> {
  if (sender.patient) return sender.send(message);
  const late = new AbortController();
  try {
    await Promise.race([
      sender.send(message),
      timers.sleep(limits.noticeTryMs, late.signal).then(() => {
        throw new Error(`it did not answer within ${limits.noticeTryMs / 1000} s`);
      }),
    ]);
  } finally {
    late.abort();
  }
}

/** Those of a target by id, in the order of each log. */
function failedOf(shards: readonly FollowedShard[], target: string): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>();
  for (const shard of shards)
    for (const [name, record] of shard.failed(target))
      found.set(`${shard.number}/${name}`, { shard, name, event: failedEvent(record) });
  return found;
}

export function failedEventMethods(options: FailedOptions): Readonly<Record<string, (argument: unknown) => unknown>> {
  const { shards, targets, open, host } = options;
  const recordOf = (target: string): Buffer => {
    const record = targets().get(target);
    if (!record)
      throw new StoreError('NotFound', {
        message: `There is no target ${target} of notifications: \`dsom notify target list\` shows those that there are.`,
      });
    return record;
  };
  const list = (target: string | undefined) => {
    if (target !== undefined) recordOf(target);
    const of = target === undefined ? [...targets().keys()] : [target];
    const all = of.flatMap((name) =>
      [...failedOf(shards(), name)].map(([id, { event: one }]) => {
        const { event, bucket, key, failedMs, tries, failure } = one;
        return { target: name, id, event, bucket, key, failedAt: new Date(failedMs).toISOString(), tries, failure };
      }),
    );
    return { events: all.slice(0, limits.listPage), more: all.length > limits.listPage };
  };
  const settle = ({ shard, name }: Found, target: string) =>
    shard.propose({ type: 'event.settle', target, names: [name] });
  const chosen = ({ target, ids }: FailedEvents): Found[] => {
    const all = failedOf(shards(), target);
    return ids.flatMap((id) => all.get(id) ?? []);
  };
  /** One after the other, in the order of the log; behind one that is refused again the others of its key stay. */
  const retry = async (asked: FailedEvents) => {
    const { target } = asked;
    const sender = await open(target, recordOf(target));
    const kept = new Map<string, string>();
    let delivered = 0;
    try {
      for (const one of chosen(asked)) {
        const { id, body, bucket, key } = one.event;
        const of = `${bucket}/${key}`;
        if (kept.has(of)) continue;
        try {
          await sendOnce(sender, { id, body: Buffer.from(body, 'utf8') }, host);
        } catch (cause) {
          kept.set(of, cause instanceof Error ? cause.message : String(cause));
          continue;
        }
        await settle(one, target);
        delivered++;
      }
    } finally {
      await sender.close();
    }
    return { delivered, failures: [...new Set(kept.values())] };
  };
  const drop = async (asked: FailedEvents) => {
    recordOf(asked.target);
    const all = chosen(asked);
    for (const one of all) await settle(one, asked.target);
    return { dropped: all.length };
  };
  return {
    'notify.failed': (argument) => list(argument as string | undefined),
    'notify.retry': (argument) => retry(argument as FailedEvents),
    'notify.drop': (argument) => drop(argument as FailedEvents),
  };
}
