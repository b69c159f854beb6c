import type { SingleBar } from 'cli-progress';
import type { Context } from './context.ts';
import { formatSize } from './format.ts';

/** Progress of many transfers on one line of a terminal; silent elsewhere. */
export class Progress {
  readonly #context: Context;
  #bar: SingleBar | undefined;
  #startedAt = 0;
  #filesDone = 0;
  #files = 0;
  #bytesDone = 0;
  #bytes = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  async start(): Promise<void> {
    if (!this.#context.interactive) return;
    // Loaded only where it is seen.
    const { default: library } = await import('cli-progress');
    this.#startedAt = this.#context.host.clock.monotonic();
    this.#bar = new library.SingleBar({
      format: '{bar} {percent}% | {files} | {bytes} | {rate}/s',
      barsize: 24,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      hideCursor: true,
      clearOnComplete: true,
      fps: 8,
      stream: this.#context.terminal.stderr,
    });
    this.#bar.start(1, 0, this.#payload());
    this.#context.beforeNote = () => {
      this.#context.terminal.stderr.write('\r\u001b[2K');
    };
  }

  /** Announces a file; of unknown size, undefined. */
  expect(size: number | undefined): void {
    this.#files++;
    this.#bytes += size ?? 0;
    this.#update();
  }

  /** `bytes` more have arrived; negative when they have to be sent again. */
  advance(bytes: number): void {
    this.#bytesDone += bytes;
    this.#update();
  }

  finishFile(): void {
    this.#filesDone++;
    this.#update();
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#context.beforeNote = () => {};
  }

  /** `12 files, 3.4 MiB in 1.2 s (2.8 MiB/s)` */
  summary(seconds: number): string {
    const rate = seconds > 0 ? ` (${formatSize(this.#bytesDone / seconds)}/s)` : '';
    return `${this.#filesDone} ${this.#filesDone === 1 ? 'file' : 'files'}, ${formatSize(this.#bytesDone)} in ${seconds.toFixed(1)} s${rate}`;
  }

  #payload() {
    const seconds = (this.#context.host.clock.monotonic() - this.#startedAt) / 1000;
    const fraction =
      this.#bytes > 0 ? this.#bytesDone / this.#bytes : this.#files > 0 ? this.#filesDone / this.#files : 0;
    return {
      percent: String(Math.min(100, Math.floor(fraction * 100))).padStart(3),
      files: `${this.#filesDone}/${this.#files} files`,
      bytes: `${formatSize(this.#bytesDone)} of ${formatSize(this.#bytes)}`,
      rate: formatSize(seconds > 0 ? this.#bytesDone / seconds : 0),
    };
  }

  #update(): void {
    if (!this.#bar) return;
    this.#bar.setTotal(Math.max(1, this.#bytes));
    this.#bar.update(Math.min(this.#bytesDone, Math.max(1, this.#bytes)), this.#payload());
  }
}
