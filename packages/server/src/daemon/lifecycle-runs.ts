import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { LifecyclePass, SurveyedAction } from '../objects/index.ts';

/** What an operator asks for: one bucket now. `dry`: what would be done. */
export interface LifecycleRun {
  readonly bucket: string;
  readonly dry: boolean;
}

type Line = Readonly<Record<string, unknown>>;

const actionLine = ({ key, dueMs, ...rest }: SurveyedAction): Line => ({
  type: 'action',
  ...rest,
  key: key.toString('utf8'),
  due: new Date(dueMs).toISOString(),
});

/** The run that goes on now, as lines that a client fetches piece by piece. One at a time. */
export class LifecycleRuns {
  readonly #pass: LifecyclePass;
  #id = 0;
  #stop: AbortController | undefined;
  #running: Promise<void> | undefined;
  #lines: Line[] = [];
  #counted = 0;

  constructor(pass: LifecyclePass) {
    this.#pass = pass;
  }

  /** @throws StoreError ConditionalRequestConflict while another one goes on */
  start({ bucket, dry }: LifecycleRun): number {
    if (this.#running)
      throw new StoreError('ConditionalRequestConflict', {
        message: 'A lifecycle runs on request already: wait for its end, which `dsom lifecycle status` shows.',
      });
    const stop = new AbortController();
    this.#stop = stop;
    this.#id += 1;
    this.#lines = [];
    this.#counted = 0;
    const tell = (one: SurveyedAction): void => {
      this.#counted += 1;
      if (this.#counted <= limits.lifecycleReported) this.#lines.push(actionLine(one));
    };
    this.#running = this.#pass.bucket(bucket, dry, stop.signal, tell).then(
      (counts) => this.#end({ type: 'summary', bucket, dry, counts, listed: this.#listed }),
      (cause: Error) => this.#end({ type: 'error', message: cause.message }),
    );
    return this.#id;
  }

  get #listed(): number {
    return Math.min(this.#counted, limits.lifecycleReported);
  }

  #end(line: Line): void {
    this.#lines.push(line);
    this.#running = undefined;
  }

  /** What is new since it was asked last. */
  news(id: number): { readonly lines: readonly Line[]; readonly done: boolean } {
    if (id !== this.#id) return { lines: [{ type: 'error', message: 'this run is over: start another' }], done: true };
    const lines = this.#lines;
    this.#lines = [];
    return { lines, done: this.#running === undefined };
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  stop(): void {
    this.#stop?.abort();
  }

  async ended(): Promise<void> {
    await this.#running;
  }
}
