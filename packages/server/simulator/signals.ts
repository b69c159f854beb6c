/*
 * Signals of worlds that end. Node keeps a signal of `AbortSignal.any` that somebody listens to until one of its sources aborts. A simulated process that
 * dies leaves its waits as they are, as a real one does, and those of its signals never abort: each held its whole world, some five megabytes, for as long as the real
 * process lived. Here a signal of several is an ordinary one that its sources know, so that it lives as long as they do.
 */

/** The signals that abort with a signal. */
const followers = new WeakMap<AbortSignal, Set<AbortController>>();
/** What a signal of several was made of; none of these is one. */
const sources = new WeakMap<AbortSignal, readonly AbortSignal[]>();

function any(of: Iterable<AbortSignal>): AbortSignal {
  const all = [...of];
  const made = new AbortController();
  const first = all.find(({ aborted }) => aborted);
  if (first) {
    made.abort(first.reason);
    return made.signal;
  }
  const roots = all.flatMap((one) => sources.get(one) ?? [one]);
  sources.set(made.signal, roots);
  for (const root of roots) {
    const known = followers.get(root) ?? new Set();
    followers.set(root, known.add(made));
  }
  return made.signal;
}

const { abort } = AbortController.prototype;

/** As Node does it: first who listens to the signal itself, then who listens to those of several that it is one of, in the order in which they were made. */
function abortAll(this: AbortController, reason?: unknown): void {
  const following = followers.get(this.signal);
  followers.delete(this.signal);
  abort.call(this, reason);
  for (const one of following ?? []) abort.call(one, this.signal.reason);
}

/** From here on, in this process. */
export function letWorldsGo(): void {
  AbortSignal.any = any;
  AbortController.prototype.abort = abortAll;
}
