import { StoreError } from '../errors.ts';

export type Line = Readonly<Record<string, unknown>>;

/** Work that an operator has asked for, as lines that a client fetches piece by piece. One at a time. */
export class Runs {
  readonly #busy: string;
  #id = 0;
  #stop: AbortController | undefined;
  #running: Promise<void> | undefined;
  #lines: Line[] = [];
  #progress: (() => Line) | undefined;

  /** @param busy said to who asks for another one meanwhile */
  constructor(busy: string) {
    this.#busy = busy;
  }

  /**
   * @param work tells what there is to tell, no more than a client can be given, and gives the last line
   * @param progress how far it is
   * @throws StoreError ConditionalRequestConflict while another one goes on
   */
  start(work: (tell: (line: Line) => void, signal: AbortSignal) => Promise<Line>, progress?: () => Line): number {
    if (this.#running) throw new StoreError('ConditionalRequestConflict', { message: this.#busy });
    const stop = new AbortController();
    this.#stop = stop;
    this.#id += 1;
    this.#lines = [];
    this.#progress = progress;
    this.#running = work((line) => this.#lines.push(line), stop.signal)
      .catch((cause: Error): Line => ({ type: 'error', message: cause.message }))
      .then((line) => {
        this.#lines.push(line);
        this.#running = undefined;
      });
    return this.#id;
  }

  /** What is new since it was asked last. */
  news(id: number): { readonly lines: readonly Line[]; readonly done: boolean } {
    if (id !== this.#id) return { lines: [{ type: 'error', message: 'this run is over: start another' }], done: true };
    const lines = this.#lines;
    this.#lines = [];
    const done = this.#running === undefined;
    return { lines: done || !this.#progress ? lines : [...lines, this.#progress()], done };
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  stop(): void {
    this.#stop?.abort(new Error('the server stops: ask again once it runs'));
  }

  async ended(): Promise<void> {
    await this.#running;
  }
}
