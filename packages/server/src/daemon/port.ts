/*
 * Calls between the owner's thread and the workers' threads.
 *
 * Structured clone of a Buffer copies the whole pool behind it and loses its class, so messages are packed into one block of bytes. Calls made in
 * the same turn of the event loop travel together: a message wakes the other thread once, however many calls it carries.
 */
import type { MessagePort } from 'node:worker_threads';
import { Packr } from 'msgpackr';
import { errorOf, type Failure, failureOf, StoreError } from '../errors.ts';
import type { Timers } from '../host/index.ts';

/** What one side offers the other: methods by name, plain data in and out. */
export type Methods = Readonly<Record<string, (argument: never) => unknown>>;

type Frame =
  | readonly [kind: 0, id: number, method: string, argument: unknown]
  | readonly [kind: 1, id: number, result: unknown]
  | readonly [kind: 2, id: number, failure: Failure];

export interface Link {
  /** Calls a method of the other side; rejects with its StoreError. */
  call<Result>(method: string, argument: unknown): Promise<Result>;
  /** Calls under way are rejected with ServiceUnavailable. */
  close(): void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (cause: unknown) => void;
}

/** Connects one side of a port. `unexpected` hears of failures that are no StoreError: a bug on this side. */
export function connect(
  port: MessagePort,
  methods: Methods,
  timers: Timers,
  unexpected: (cause: unknown) => void,
): Link {
  const packr = new Packr({ useRecords: true, moreTypes: false });
  const waiting = new Map<number, Waiting>();
  let outgoing: Frame[] = [];
  let nextId = 1;
  let closed = false;

  const flush = () => {
    const frames = outgoing;
    outgoing = [];
    if (closed) return;
    // Packr hands out slices of a shared pool: only a copy of its own may change threads.
    const packed = Uint8Array.from(packr.pack(frames));
    port.postMessage(packed, [packed.buffer]);
  };
  const send = (frame: Frame) => {
    if (outgoing.push(frame) === 1) timers.soon(flush);
  };
  const answer = (id: number, method: string, argument: unknown) => {
    const fail = (cause: unknown) => {
      if (!(cause instanceof StoreError)) unexpected(cause);
      send([2, id, failureOf(cause)]);
    };
    try {
      const run = methods[method] as ((argument: unknown) => unknown) | undefined;
      if (!run) throw new Error(`no method ${method} on this side of the port`);
      const result = run(argument);
      if (result instanceof Promise) result.then((value) => send([1, id, value]), fail);
      else send([1, id, result]);
    } catch (cause) {
      fail(cause);
    }
  };

  port.on('message', (packed: Uint8Array) => {
    for (const frame of packr.unpack(Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)) as Frame[]) {
      if (frame[0] === 0) {
        answer(frame[1], frame[2], frame[3]);
        continue;
      }
      const call = waiting.get(frame[1]);
      waiting.delete(frame[1]);
      if (frame[0] === 1) call?.resolve(frame[2] as never);
      else call?.reject(errorOf(frame[2]));
    }
  });

  return {
    call: (method, argument) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new StoreError('ServiceUnavailable', { message: 'The server is stopping.' }));
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        send([0, id, method, argument]);
      }),
    close() {
      if (closed) return;
      closed = true;
      for (const call of waiting.values())
        call.reject(new StoreError('ServiceUnavailable', { message: 'The server is stopping.' }));
      waiting.clear();
      port.close();
    },
  };
}
