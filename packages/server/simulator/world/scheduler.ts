import { hashOf } from './dice.ts';

/*
 * Simulated time. Everything that happens is an event in one heap, ordered by time and then by when it was asked for; after each event
 * all microtasks run to their end, and nothing else runs in between. So as long as the code that is simulated waits for nothing but
 * events (no thread pool, no file, no real timer), one sequence of events is the only one that can come out of a seed.
 *
 * The turn of the real event loop between two events is what makes Node drain the microtasks. Many immediates are queued at once, because
 * Node drains them between any two of the same queue too, and a turn of the whole loop costs five times as much.
 */

interface Event {
  readonly time: number;
  readonly order: number;
  readonly label: string;
  /** Undefined once it was taken back. */
  run: (() => void) | undefined;
}

/** Real turns that are queued together. */
const turnsAtOnce = 64;

export class Scheduler {
  /** Simulated milliseconds since the beginning. */
  now = 0;
  /** Events that have run. */
  events = 0;
  /** Told of every event and note, with its time. */
  onTrace: ((time: number, text: string) => void) | undefined;
  readonly #heap: Event[] = [];
  readonly #labels = new Map<string, number>();
  #order = 0;
  #stamp = 0;
  #high = 0x9e3779b9;
  #low = 0x243f6a88;
  #failure: { readonly cause: unknown } | undefined;

  /** Grows with every call: tells which of two things came first, also within one moment of simulated time. */
  stamp(): number {
    return ++this.#stamp;
  }

  /** @returns takes the event back; a second call does nothing */
  after(milliseconds: number, label: string, run: () => void): () => void {
    const event: Event = { time: this.now + Math.max(0, milliseconds), order: ++this.#order, label, run };
    push(this.#heap, event);
    return () => {
      event.run = undefined;
    };
  }

  sleep(milliseconds: number, label: string): Promise<void> {
    return new Promise((resolve) => void this.after(milliseconds, label, resolve));
  }

  /** Something that others see: it becomes part of the trace. */
  note(text: string): void {
    this.#mix(hashOf(text));
    this.onTrace?.(this.now, text);
  }

  /** Digest of every event and note so far, 16 hexadecimal digits. */
  hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0');
  }

  /** Ends the run under way with this error. */
  fail(cause: unknown): void {
    this.#failure ??= { cause };
  }

  /**
   * Runs events until `done`. @throws what {@link fail} was given, or what an event threw
   * @returns false when nothing is left to happen
   */
  run(done: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let ended = false;
      let queued = 0;
      const turn = (): void => {
        queued--;
        if (ended) return;
        try {
          if (this.#failure) throw this.#failure.cause;
          if (done()) {
            ended = true;
            return resolve(true);
          }
          if (!this.#step()) {
            ended = true;
            return resolve(false);
          }
        } catch (cause) {
          ended = true;
          return reject(cause);
        }
        if (queued === 0) queue();
      };
      const queue = (): void => {
        queued = turnsAtOnce;
        for (let i = 0; i < turnsAtOnce; i++) setImmediate(turn);
      };
      queue();
    });
  }

  #step(): boolean {
    for (;;) {
      const event = pop(this.#heap);
      if (!event) return false;
      const { run } = event;
      if (!run) continue;
      this.now = event.time;
      this.events++;
      this.#mix(this.#labelHash(event.label) ^ Math.floor(event.time * 1000));
      this.onTrace?.(event.time, event.label);
      run();
      return true;
    }
  }

  #labelHash(label: string): number {
    let hash = this.#labels.get(label);
    if (hash === undefined) {
      hash = hashOf(label);
      this.#labels.set(label, hash);
    }
    return hash;
  }

  #mix(word: number): void {
    this.#high = Math.imul(this.#high ^ word, 0x85ebca6b);
    this.#high ^= this.#high >>> 13;
    this.#low = (Math.imul(this.#low, 0xc2b2ae35) + this.#high) | 0;
    this.#low ^= this.#low >>> 16;
  }
}

const before = (a: Event, b: Event): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (!before(event, heap[parent] as Event)) break;
    heap[at] = heap[parent] as Event;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (!first || !last || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
    if (!before(heap[child] as Event, last)) break;
    heap[at] = heap[child] as Event;
    at = child;
  }
  heap[at] = last;
  return first;
}
