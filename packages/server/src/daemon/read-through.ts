import type { ObjectService } from '../objects/index.ts';
import { createReadThrough } from '../sources/index.ts';
import type { Registry, StructuredLog } from '../telemetry/index.ts';
import type { ListenerOptions } from './listener.ts';

/** The objects of a thread as requests see them, with what buckets have at their sources; told in metrics and log. */
export function readThroughOf(
  { thread, keyring, realHost }: Pick<ListenerOptions, 'thread' | 'keyring' | 'realHost'>,
  registry: Registry,
  log: StructuredLog,
): ObjectService {
  const totals = { kept: 0, passed: 0, unkept: 0 };
  const counter = registry.counter(
    'dsom_read_through_total',
    'Reads of objects that had not moved here yet, by what became of them.',
    ['outcome'],
  );
  registry.refresh(() => {
    for (const [outcome, count] of Object.entries(totals)) counter.mirror(counter.at(outcome), count);
  });
  return createReadThrough(thread.objects, {
    reader: thread.reader,
    keys: keyring,
    host: realHost,
    totals,
    onUnkept: (bucket, key, error) =>
      log.warn('an object of a source was sent and could not be kept', { bucket, key: key.toString('utf8'), error }),
  });
}
