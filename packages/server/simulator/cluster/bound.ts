import type { LogEntry, OwnedLog, SharedLog } from '../../src/log/index.ts';
import type { Life } from '../world/life.ts';

/* The log's client belongs to one life of a process: what the engine answers later, that life never hears. */

const hang = <Result>(life: Life, promise: Promise<Result>): Promise<Result> =>
  new Promise((resolve, reject) => {
    promise.then(
      (result) => {
        if (life.alive) resolve(result);
      },
      (error: unknown) => {
        if (life.alive) reject(error);
      },
    );
  });

async function* entries(life: Life, log: SharedLog | OwnedLog, from: number): AsyncGenerator<LogEntry> {
  for await (const entry of log.read(from)) {
    if (!life.alive) await new Promise<never>(() => {});
    yield entry;
  }
}

export function boundLog(log: SharedLog, life: Life): SharedLog {
  return {
    get head() {
      return log.head;
    },
    get tail() {
      return log.tail;
    },
    read: (from) => entries(life, log, from),
    reached: (position, signal) => hang(life, log.reached(position, signal)),
    barrier: () => hang(life, log.barrier()),
    owner: () => log.owner(),
    own: async (signal, turn) => {
      const owned = await hang(life, log.own(signal, turn));
      return owned && boundOwned(owned, life);
    },
    age: () => log.age(),
    depose: (epoch) => hang(life, log.depose(epoch)),
    covered: (position) => hang(life, log.covered(position)),
    replicas: () => hang(life, log.replicas()),
    close: () => log.close(),
  };
}

function boundOwned(owned: OwnedLog, life: Life): OwnedLog {
  const lost = new AbortController();
  owned.lost.addEventListener('abort', () => {
    if (life.alive) lost.abort();
  });
  if (owned.lost.aborted) lost.abort();
  return {
    get head() {
      return owned.head;
    },
    get tail() {
      return owned.tail;
    },
    get epoch() {
      return owned.epoch;
    },
    get bytes() {
      return owned.bytes;
    },
    get roomy() {
      return owned.roomy;
    },
    lost: lost.signal,
    append: (payload) => hang(life, owned.append(payload)),
    read: (from) => entries(life, owned, from),
    reached: (position, signal) => hang(life, owned.reached(position, signal)),
    follow: (name, from) => owned.follow(name, from),
    trim: (position) => hang(life, owned.trim(position)),
    resign: () => hang(life, owned.resign()),
    close: () => hang(life, owned.close()),
  };
}
