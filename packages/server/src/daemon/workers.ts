import { availableParallelism } from 'node:os';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import { connect, type Link, type Methods } from './port.ts';
import type { WorkerData } from './worker.ts';

/** One worker thread and the port to it. */
export interface WorkerLink {
  readonly link: Link;
  /** Has it read a shard more, of the next number; one call at a time. */
  openShard(kv: WorkerData['kvs'][number]): Promise<void>;
  end(): Promise<void>;
}

/** A worker thread that loads its modules, and then waits to be told what to serve. */
export interface SpawnedWorker {
  /** Resolves when it has opened the store; `fatal` hears of its end by failure. */
  open(
    data: Omit<WorkerData, 'owner'>,
    methods: Methods,
    timers: Timers,
    fatal: (cause: Error) => void,
  ): Promise<WorkerLink>;
  /** Must have resolved before the process ends by itself: V8 breaks down in a thread that is ended while it loads modules. */
  end(): Promise<void>;
}

export interface ThreadPlan {
  readonly serving: number;
  /** Those of them that are threads of their own. */
  readonly workers: number;
  readonly ownerServes: boolean;
}

/**
 * How many threads serve, and whether the owner's thread is one of them. With few cores it is: a request that the owner's thread takes itself
 * costs no change of thread, and no core is shared by two threads. With many it is left to what only it can do.
 * @param wanted threads that shall serve; as many as cores when not given
 */
export function threadPlan(wanted: number | undefined): ThreadPlan {
  const serving = wanted ?? availableParallelism();
  const ownerServes = serving <= limits.ownerServesUpTo;
  return { serving, ownerServes, workers: ownerServes ? serving - 1 : serving };
}

/** Starts one worker: as early as possible, because most of a start is the loading of modules, which the threads do side by side. */
export function spawnWorker(): SpawnedWorker {
  const thread = new Worker(new URL('./worker-start.ts', import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: limits.workerYoungMegabytes },
  });
  let early: Error | undefined;
  const keep = (cause: Error) => (early = cause);
  thread.on('error', keep);
  const loaded = new Promise<void>((resolve) => thread.once('message', () => resolve()).once('exit', () => resolve()));
  const end = async () => {
    await loaded;
    await thread.terminate();
  };
  return {
    async open(data, methods, timers, fatal) {
      await loaded;
      if (early) throw early;
      const { port1, port2 } = new MessageChannel();
      const link = connect(port1, methods, timers, (cause) => fatal(cause as Error));
      return new Promise((resolve, reject) => {
        thread.off('error', keep).on('error', (cause: Error) => {
          reject(cause);
          fatal(cause);
        });
        thread.once('message', () =>
          resolve({
            link,
            openShard: (kv) =>
              // Its counts are shared memory, which no packed message can carry.
              new Promise((opened, failed) => {
                const ended = () => failed(new Error('the worker ended'));
                thread.once('exit', ended).once('message', () => {
                  thread.off('exit', ended);
                  opened();
                });
                thread.postMessage(kv);
              }),
            async end() {
              link.close();
              await end();
            },
          }),
        );
        thread.postMessage({ ...data, owner: port2 } satisfies WorkerData, [port2]);
      });
    },
    end,
  };
}
