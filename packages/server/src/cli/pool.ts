/**
 * Runs `work` on every item, at most `parallel` at a time, and takes the next item only when there is room for it. The first error that `work` throws
 * lets those under way finish and is then thrown.
 */
export async function forEachParallel<Item>(
  items: AsyncIterable<Item> | Iterable<Item>,
  parallel: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let failure: { readonly cause: unknown } | undefined;
  // One at a time: an iterator may not be asked again before it has answered.
  let turn: Promise<unknown> = Promise.resolve();
  const next = () => {
    const mine = turn.then(() => (failure ? { done: true as const, value: undefined } : iterator.next()));
    turn = mine.catch(() => {});
    return mine;
  };
  const lane = async () => {
    try {
      for (let entry = await next(); !entry.done; entry = await next()) await work(entry.value as Item);
    } catch (cause) {
      failure ??= { cause };
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  if (!failure) return;
  await iterator.return?.();
  throw failure.cause;
}
