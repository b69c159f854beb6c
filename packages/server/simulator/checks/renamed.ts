import { type KeyHistory, never, type Read, type Write } from '../seen.ts';
import { linearizable } from './linearizable.ts';

/** Where an object is, as a history of one key; and what was looked for in vain. */
export class Place implements Pick<KeyHistory, 'name' | 'writes' | 'reads'> {
  readonly name: string;
  readonly writes: (Write & { readonly value: string; readonly from: string | undefined })[] = [];
  readonly reads: Read[] = [];
  readonly misses: Read[] = [];
  /** Number of the put, in its bytes. */
  body = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Names that it may have. */
  get names(): string[] {
    return this.writes.filter(({ refused }) => !refused).map(({ value }) => value);
  }
}

/** What all clients saw of these objects. */
export class Renamed {
  readonly objects = new Map<string, Place>();

  of(object: string): Place {
    const found = this.objects.get(object) ?? new Place(object);
    this.objects.set(object, found);
    return found;
  }

  /** What is wrong, as a sentence. */
  wrong(): string | undefined {
    for (const place of this.objects.values()) {
      const wrong = linearizable(place) ?? doubled(place) ?? lost(place);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
}

const isDone = ({ end, refused }: Write): boolean => end !== never && !refused;

/** A name that is left is never had again: one rename leaves it. */
function doubled({ name, writes }: Place): string | undefined {
  for (const [from, those] of Map.groupBy(writes.filter(isDone), (one) => one.from))
    if (from !== undefined && those.length > 1)
      return `${name}: both ${those.map(({ what }) => what).join(' and ')} took it from ${from}`;
  return undefined;
}

/** Who did not find it where it was from before he looked, until somebody began to take it away after he had looked. */
function lost({ name, writes, misses }: Place): string | undefined {
  for (const miss of misses) {
    const came = writes.find(({ value }) => value === miss.value);
    if (!came || !isDone(came) || came.end > miss.start) continue;
    const left = writes.some((one) => one.from === miss.value && !one.refused && one.start < miss.end);
    if (!left) return `${name}: ${miss.what} did not find it as ${miss.value}, where ${came.what} had brought it`;
  }
  return undefined;
}
