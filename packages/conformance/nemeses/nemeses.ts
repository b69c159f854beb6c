import { setTimeout as sleep } from 'node:timers/promises';
import { dsom, signalMember, told, until } from '../cluster/cluster.support.ts';
import { send } from '../src/request.ts';
import { among, between, networkMissing, type Rule } from './network.ts';
import { callsMissing, clockMissing, type DiskCalls } from './preload.ts';
import type { Stage } from './stage.ts';

/** One kind of fault. It begins, lasts, and has ended, with everything repaired that an operator would repair, when it resolves. */
export interface Nemesis {
  readonly name: string;
  /** Why it cannot be done here; false when it can. */
  readonly missing: string | false;
  /** @param ms how long the fault lasts */
  run(stage: Stage, ms: number): Promise<void>;
}

type Node = Stage['cluster']['nodes'][number];
const node = (stage: Stage, index: number): Node => stage.cluster.nodes[index] as Node;
const some = <One>(of: readonly One[]): One => of[Math.floor(Math.random() * of.length)] as One;

/** With a member that no other fault disturbs; does nothing when there is none. */
async function withNode(stage: Stage, work: (index: number) => Promise<void>, wanted?: number): Promise<void> {
  const index = stage.take(wanted);
  if (index === undefined) return;
  try {
    await work(index);
  } finally {
    stage.free(index);
  }
}

function processFault(name: string, work: (stage: Stage, index: number, ms: number) => Promise<void>): Nemesis {
  return { name, missing: false, run: (stage, ms) => withNode(stage, (index) => work(stage, index, ms)) };
}

/** @param rules for all machines; a machine that is no member yet is one like the others */
function networkFault(name: string, rules: (stage: Stage, machines: number[]) => Rule[]): Nemesis {
  return {
    name,
    missing: networkMissing,
    async run(stage, ms) {
      const machines = [...stage.members];
      const heal = await stage.network?.fault(rules(stage, machines));
      await sleep(ms);
      await heal?.();
    },
  };
}

const others = (machines: readonly number[], than: readonly number[]): number[] =>
  machines.filter((one) => !than.includes(one));

/** Frames of a node's member of etcd with other machines, and of the node with their members. */
function etcdOnly(stage: Stage, machines: readonly number[], index: number): Rule[] {
  return others(machines, [index]).flatMap((other) =>
    [index, other].flatMap((one) => {
      const { port } = node(stage, one);
      return between([index], [other], { ports: [port + 2, port + 3], drop: true });
    }),
  );
}

/** A fault of a process after which an operator starts it again. */
async function withDiskFault(stage: Stage, index: number, which: DiskCalls, share: number, ms: number): Promise<void> {
  const preload = stage.preloads[index % stage.machines];
  const before = preload?.failedCalls() ?? 0;
  preload?.failCalls(which, share);
  await sleep(ms);
  // A fault alone is there to be felt, however slow the machine is.
  if (stage.calm && preload)
    await until(`${which} of node ${index} fail`, 30_000, async () => preload.failedCalls() > before);
  preload?.failCalls(which, 0);
  await node(stage, index)
    .server.stop('SIGKILL')
    .catch(() => null);
  await stage.cluster.restart(index, 'live');
}

/** How far a node's clock is ahead of this process's, by its answer. */
async function aheadMs(endpoint: string): Promise<number> {
  const { headers } = await send(endpoint, 'GET', '/-/health/live', { anonymous: true });
  return Date.parse(String(headers['date'])) - Date.now();
}

export async function ready(endpoint: string): Promise<boolean> {
  const answer = await send(endpoint, 'GET', '/-/health/ready', { anonymous: true, timeoutMs: 5000 });
  return answer.status === 200;
}

export const nemeses: readonly Nemesis[] = [
  processFault('kill -9 of a node', async (stage, index, ms) => {
    await stage.cluster.nodes[index]?.server.stop('SIGKILL');
    await sleep(ms / 2);
    await stage.cluster.restart(index, 'live');
  }),
  processFault('kill -9 of a node with its member of etcd', async (stage, index, ms) => {
    await stage.cluster.end(index);
    await sleep(ms / 2);
    await stage.cluster.restart(index, 'live');
  }),
  {
    name: 'kill -9 of the owner of a shard',
    missing: false,
    async run(stage, ms) {
      const owner = await stage.cluster.leader(some([...stage.members]), some([0, 1])).catch(() => -1);
      if (!stage.members.has(owner)) return;
      await withNode(
        stage,
        async (index) => {
          await stage.cluster.end(index);
          await sleep(ms);
          await stage.cluster.restart(index, 'live');
        },
        owner,
      );
    },
  },
  processFault('SIGSTOP of a node', async (stage, index, ms) => {
    const { pid } = node(stage, index).server;
    process.kill(pid, 'SIGSTOP');
    await sleep(ms);
    process.kill(pid, 'SIGCONT');
  }),
  processFault('SIGSTOP of a node with its member of etcd', async (stage, index, ms) => {
    const { server, folder } = node(stage, index);
    process.kill(server.pid, 'SIGSTOP');
    signalMember(folder, 'SIGSTOP');
    await sleep(ms);
    signalMember(folder, 'SIGCONT');
    process.kill(server.pid, 'SIGCONT');
  }),
  {
    name: 'kill -9 of members of etcd, one after the other, the leader among them',
    missing: false,
    async run(stage, ms) {
      for (const index of stage.members) {
        signalMember(node(stage, index).folder, 'SIGKILL');
        await sleep(Math.max(ms / 3, 1500));
      }
    },
  },
  networkFault('a node cut off from all others', (_, machines) => {
    const one = some(machines);
    return between([one], others(machines, [one]), { drop: true });
  }),
  networkFault('a node cut off from the etcd of others only', (stage, machines) =>
    etcdOnly(stage, machines, some(machines)),
  ),
  networkFault('two halves', (_, machines) => {
    const mixed = machines.toSorted(() => Math.random() - 0.5);
    const half = mixed.slice(0, Math.floor(mixed.length / 2));
    return between(half, others(machines, half), { drop: true });
  }),
  networkFault('two halves that share one node', (_, machines) => {
    const mixed = machines.toSorted(() => Math.random() - 0.5);
    const half = mixed.slice(0, Math.floor(mixed.length / 2));
    return between(half, others(machines, half).slice(1), { drop: true });
  }),
  networkFault('a node that hears and is not heard', (_, machines) => {
    const one = some(machines);
    return others(machines, [one]).map((to) => ({ from: one, to, drop: true }));
  }),
  networkFault('a node that is heard and does not hear', (_, machines) => {
    const one = some(machines);
    return others(machines, [one]).map((from) => ({ from, to: one, drop: true }));
  }),
  networkFault('lossy links: lost, repeated and overtaking frames', (_, machines) =>
    among(machines, { loss: 0.03, duplicate: 0.03, reorder: 0.2, delayMs: 2, jitterMs: 3 }),
  ),
  networkFault('a node behind slow links', (_, machines) => {
    const one = some(machines);
    return between([one], others(machines, [one]), { delayMs: 60, jitterMs: 120 });
  }),
  networkFault('a node behind a thin link', (_, machines) => {
    const one = some(machines);
    return between([one], others(machines, [one]), { rate: 500_000, delayMs: 5 });
  }),
  {
    name: 'a clock that jumps, ahead and back',
    missing: clockMissing,
    async run(stage, ms) {
      const index = some([...stage.members]);
      const preload = stage.preloads[index % stage.machines];
      preload?.shiftClock(480);
      await sleep(ms / 2);
      if (stage.calm)
        await until('the clock jumps', 30_000, async () => (await aheadMs(stage.cluster.endpoint(index))) > 400_000);
      preload?.shiftClock(-480);
      await sleep(ms / 2);
      preload?.shiftClock(0);
    },
  },
  ...(
    [
      ['syncs', 0.5],
      ['writes', 0.2],
      ['reads', 0.3],
    ] as const
  ).map(
    ([which, share]): Nemesis => ({
      ...processFault(`a disk on which ${which} fail`, (stage, index, ms) =>
        withDiskFault(stage, index, which, share, ms),
      ),
      missing: callsMissing,
    }),
  ),
  {
    name: 'a full disk',
    missing: process.getuid?.() !== 0 && 'a disk to be filled is mounted, which needs root',
    run: (stage, ms) =>
      withNode(
        stage,
        async () => {
          const empty = stage.disk?.fill();
          const isNotReady = async () => !(await ready(stage.cluster.endpoint(stage.diskOf)));
          try {
            await sleep(ms);
            if (stage.calm && stage.disk) await until('a node whose disk is full says so', 60_000, isNotReady);
          } finally {
            empty?.();
          }
        },
        stage.diskOf,
      ),
  },
  processFault('a node drained and taken into use again', async (stage, index, ms) => {
    const from = stage.cluster.endpoint(some(others([...stage.members], [index])));
    const id = await stage.cluster
      .status(index)
      .then((status) => String(status['node']))
      .catch(() => undefined);
    if (id === undefined) return;
    await dsom(from, 'node', 'drain', id).catch(() => []);
    await sleep(ms);
    await until('the node is taken into use again', 60_000, async () => {
      await dsom(stage.cluster.endpoint(some([...stage.members])), 'node', 'activate', id);
      return true;
    });
  }),
  {
    name: 'a node more, which is drained and removed again',
    missing: false,
    async run(stage, ms) {
      const index = stage.cluster.nodes.length;
      // One at a time: there is one machine more than nodes.
      if (index >= stage.machines) return;
      try {
        await stage.cluster.add();
      } catch (cause) {
        // Another fault was in its way; what is left of it is no node.
        if (stage.calm) throw cause;
        return;
      }
      stage.members.add(index);
      await sleep(ms);
      await withdraw(stage, index);
    },
  },
];

/** Drains a node, waits until it holds nothing that others need, and removes it. */
async function withdraw(stage: Stage, index: number): Promise<void> {
  const rest = others([...stage.members], [index]);
  const ask = (...command: string[]) => dsom(stage.cluster.endpoint(some(rest)), ...command);
  let id: string | undefined;
  await until('the node says who it is', 120_000, async () => {
    id = String((await stage.cluster.status(index))['node']);
    return true;
  });
  await until('the node is drained', 60_000, async () => {
    await ask('node', 'drain', String(id));
    return true;
  });
  await until('its bytes are elsewhere', 300_000, async () => {
    const { done } = await told(stage.cluster.endpoint(some(rest)), '/repair');
    return done === true;
  });
  stage.members.delete(index);
  await until('no other fault has it', 120_000, async () => stage.take(index) !== undefined);
  await stage.cluster.nodes[index]?.server.stop('SIGTERM');
  await until('it is removed', 120_000, async () => {
    await ask('node', 'remove', String(id));
    return true;
  });
  stage.cluster.forget(index);
  stage.free(index);
}
