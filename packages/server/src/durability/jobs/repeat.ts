import type { Cancel, Host } from '../../host/index.ts';

export interface RepeatOptions {
  readonly host: Host;
  readonly everyMs: number;
  /** One run; it must end soon after the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<unknown>;
  /** A run failed; the next one comes all the same. */
  readonly onError: (error: unknown) => void;
}

export interface Repeated {
  /** Runs as soon as no run is under way. */
  nudge(): void;
  /** Cancels the run under way and waits for its end. */
  stop(): Promise<void>;
}

/** Runs a job again and again, `everyMs` after its last end, never twice at the same time. */
export function repeat(options: RepeatOptions): Repeated {
  const stopping = new AbortController();
  let cancel: Cancel | undefined;
  let running: Promise<void> | undefined;
  let again = false;

  const begin = (): void => {
    cancel?.();
    cancel = undefined;
    again = false;
    running = options
      .run(stopping.signal)
      .then(
        () => undefined,
        (error) => {
          if (!stopping.signal.aborted) options.onError(error);
        },
      )
      .then(() => {
        running = undefined;
        if (stopping.signal.aborted) return;
        if (again) begin();
        else cancel = options.host.timers.after(options.everyMs, begin);
      });
  };
  cancel = options.host.timers.after(options.everyMs, begin);
  return {
    nudge() {
      if (stopping.signal.aborted) return;
      if (running) again = true;
      else begin();
    },
    async stop() {
      stopping.abort();
      cancel?.();
      await running;
    },
  };
}
