import { StoreError } from '../errors.ts';

/** Times that something is begun at the most. */
const patience = 8;

/**
 * Does what rests on a version as it was found, and begins anew where another write came first.
 * @param may whether it can be done again
 * @throws what `work` rejects with; ConditionalRequestConflict when others always come first, or it cannot be done again
 */
export async function again<Result>(work: () => Promise<Result>, may: () => boolean = () => true): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const replaced = error instanceof StoreError && error.code === 'ConditionalRequestConflict';
      if (!replaced || !may() || attempt === patience) throw error;
    }
  }
}
