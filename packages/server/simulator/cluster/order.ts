import type { Scheduler } from '../world/scheduler.ts';
import type { Member } from './member.ts';

/** No two fragments of a stripe lie on one node, as far as there always were `leastNodes` that were not drained. @throws Error when they do */
export function checkSpread(members: readonly Member[], { thread: { reader } }: Member, leastNodes: number): void {
  const nodeOf = new Map(members.flatMap(({ name, stores }) => [...stores.keys()].map((device) => [device, name])));
  const crowded = new Set<number>();
  for (const { id, devices } of reader.groups())
    if (new Set(devices.map((device) => nodeOf.get(device))).size < Math.min(devices.length, leastNodes))
      crowded.add(id);
  for (let next = Buffer.alloc(16); ; ) {
    const rows = reader.stripes(next, 1000);
    const wrong = rows.find(({ group }) => crowded.has(group));
    if (wrong) throw new Error(`stripe ${wrong.stripe.toString('hex')} has two fragments on one node`);
    const last = rows.at(-1);
    if (!last) return;
    next = Buffer.from(last.stripe);
    next.writeBigUInt64BE(next.readBigUInt64BE(8) + 1n, 8);
  }
}

/** All replicas of each shard come to one position, and have one digest there. @throws Error when they do not */
export async function agree(scheduler: Scheduler, members: readonly Member[]): Promise<void> {
  for (let tries = 0; ; tries++) {
    for (const member of members) await member.gate.latest();
    const states = members.flatMap(({ name, shards }) =>
      shards.map(({ number, replica }) => ({
        name,
        number,
        position: replica.applied(),
        digest: replica.digest().toString('hex'),
      })),
    );
    const firsts = states.slice(0, members[0]?.shards.length);
    if (states.every(({ number, position }) => position === firsts[number]?.position)) {
      const other = states.find(({ number, digest }) => digest !== firsts[number]?.digest);
      if (!other) return;
      const first = firsts[other.number] as (typeof states)[number];
      throw new Error(
        `at ${first.position} of shard ${first.number} the digest of ${first.name} is ${first.digest}, and that of ${other.name} ${other.digest}`,
      );
    }
    if (tries > 50) throw new Error(`replicas do not come together: ${JSON.stringify(states)}`);
    await scheduler.sleep(20, 'final');
  }
}
