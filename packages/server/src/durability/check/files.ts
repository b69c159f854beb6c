import { CorruptionError, StoreError } from '../../errors.ts';
import type { Pace } from '../jobs/pace.ts';
import type { ProgressMeter } from '../jobs/progress.ts';

/** The file of a database, which trusts its own pages: walking through a damaged one may end the process. */
export interface CheckedFile {
  readonly directory: string;
  /** Whose fragments are in it; absent where it holds metadata. */
  readonly device?: string;
  /** As {@link SharedKv.checkFile}. */
  readonly check: (step: (bytes: number) => Promise<unknown>) => Promise<void>;
}

export interface CheckedFiles {
  list(): readonly CheckedFile[];
  /** Hears what came of each. @param damage what is wrong with it; undefined where nothing is */
  found?(file: CheckedFile, damage: string | undefined): void;
}

export interface DamagedFile extends Pick<CheckedFile, 'directory' | 'device'> {
  /** As a sentence without its stop. */
  readonly damage: string;
}

/**
 * Reads the pages of every database, before anything else walks through its rows.
 * @returns those that hang together no more, and as sentences what could not be looked at
 */
export async function checkFiles(
  { list, found }: CheckedFiles,
  { pace, meter }: { readonly pace: Pace; readonly meter: ProgressMeter },
): Promise<{ readonly damaged: readonly DamagedFile[]; readonly unchecked: readonly string[] }> {
  const damaged: DamagedFile[] = [];
  const unchecked: string[] = [];
  for (const file of list()) {
    const { directory, device, check } = file;
    meter.phase(`structure of ${directory}`, 0);
    try {
      await check((bytes) => {
        meter.advance(1, bytes);
        return pace.step();
      });
      found?.(file, undefined);
    } catch (error) {
      if (error instanceof CorruptionError) {
        damaged.push({ directory, ...(device !== undefined && { device }), damage: error.message });
        found?.(file, error.message);
      } else if (error instanceof StoreError && error.code === 'ServiceUnavailable')
        unchecked.push(`structure of ${directory}: reading it took too long beside what is written`);
      else throw error;
    }
  }
  return { damaged, unchecked };
}
