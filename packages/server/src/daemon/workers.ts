import { MessageChannel, Worker } from 'node:worker_threads';
import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import { connect, type Link, type Methods } from './port.ts';
import type { WorkerData } from './worker.ts';

/** One worker thread and the port to it. */
export interface WorkerLink {
  readonly link: Link;
  end(): Promise<void>;
}

/**
 * How many threads serve, and whether the owner's thread is one of them. With few cores it is: a request that the owner's thread takes itself
 * costs no change of thread, and no core is shared by two threads. With many it is left to what only it can do.
 */
export function threadPlan(serving: number): { readonly workers: number; readonly ownerServes: boolean } {
  return serving <= limits.ownerServesUpTo
    ? { workers: serving - 1, ownerServes: true }
    : { workers: serving, ownerServes: false };
}

/** Starts one worker and resolves when it has opened the store; `fatal` hears of its end by failure. */
export function startWorker(
  data: Omit<WorkerData, 'owner'>,
  methods: Methods,
  timers: Timers,
  fatal: (cause: Error) => void,
): Promise<WorkerLink> {
  const { port1, port2 } = new MessageChannel();
  const link = connect(port1, methods, timers, (cause) => fatal(cause as Error));
  const thread = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { ...data, owner: port2 } satisfies WorkerData,
    transferList: [port2],
    resourceLimits: { maxYoungGenerationSizeMb: limits.workerYoungMegabytes },
  });
  const end = async () => {
    link.close();
    await thread.terminate();
  };
  return new Promise((resolve, reject) => {
    thread.once('message', () => resolve({ link, end }));
    thread.on('error', (cause) => {
      reject(cause);
      fatal(cause as Error);
    });
  });
}
