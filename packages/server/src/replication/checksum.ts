import { checksumElements, checksumHeaders, element, storedChecksumText } from '../api/index.ts';
import { isCrc } from '../codec/index.ts';
import type { ReadResult } from '../objects/index.ts';

/*
 * How the checksum of a version goes with it, so that the other store compares its bytes and keeps it. A checksum of all bytes goes with a write in one piece; with one in parts it goes at the
 * end, where its parts can be joined to it. One that is made of those of the parts goes by them, and only where the parts stay as they are.
 */

/** What is said of the checksum in the requests of one write. */
export interface ChecksumSaid {
  /** Of a write in one piece, and of the beginning of one in parts. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the end of a write in parts. */
  readonly end: Readonly<Record<string, string>>;
  /** Of a part, by its place from 0; undefined: nothing is known of it. */
  part(at: number): string | undefined;
  readonly header: string;
  /** Of a part at the end. */
  listed(text: string | undefined): string;
}

/**
 * @param sizes of the parts in which it is written; undefined: in one piece
 * @returns undefined: it has none, or none that says anything of what is written so
 */
export function checksumSaid(read: ReadResult, sizes: readonly number[] | undefined): ChecksumSaid | undefined {
  const { checksum, partSizes } = read.version;
  if (!checksum) return undefined;
  const { algorithm, type } = checksum;
  const own = sizes === partSizes;
  const fits = type === 'COMPOSITE' ? own : sizes === undefined || isCrc(algorithm);
  if (!fits) return undefined;
  const [header, name] = [checksumHeaders[algorithm], checksumElements[algorithm]];
  const value = storedChecksumText(checksum, 0);
  const begun = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type };
  return {
    headers: sizes ? begun : { [header]: value },
    end: { 'x-amz-checksum-type': type, ...(type === 'FULL_OBJECT' && { [header]: value }) },
    part(at) {
      const its = own ? read.parts(at, 1)[0]?.checksum : undefined;
      return its?.algorithm === algorithm ? storedChecksumText(its, 0) : undefined;
    },
    header,
    listed: (text) => element(name, text),
  };
}
