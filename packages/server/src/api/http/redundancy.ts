import { StoreError } from '../../errors.ts';
import type { Redundancy } from '../../metadata/index.ts';
import type { Stored } from '../../objects/index.ts';

/**
 * The value of x-dsom-redundancy: `copies=2`, or the JSON of the native interface, `{"copies":2}`.
 * @throws StoreError InvalidArgument; UnsupportedRedundancy for forms that one machine cannot give
 */
export function parseRedundancy(text: string): Redundancy {
  const copies = /^\s*(?:copies\s*=\s*([0-9]{1,3})|\{\s*"copies"\s*:\s*([0-9]{1,3})\s*\})\s*$/.exec(text);
  if (copies) return { copies: Number(copies[1] ?? copies[2]) };
  if (/data|parity|hot|cold/.test(text)) throw new StoreError('UnsupportedRedundancy');
  throw new StoreError('InvalidArgument', {
    message: 'The redundancy is given as copies=N or {"copies":N}.',
    detail: { ArgumentName: 'x-dsom-redundancy', ArgumentValue: text },
  });
}

/** What an answer says in x-dsom-redundancy: `copies=2`, `copies=2; missing=1`, or `copies=2; missing=unknown` where it would take long to find out. */
export function redundancyText({ copies, missing }: Stored): string {
  if (missing === 0) return `copies=${copies}`;
  return `copies=${copies}; missing=${missing ?? 'unknown'}`;
}
