import { redundancyText } from '../../durability/index.ts';
import { StoreError } from '../../errors.ts';
import type { Redundancy } from '../../metadata/index.ts';
import type { Stored } from '../../objects/index.ts';

const copiesText = /^(?:copies\s*=\s*)?([0-9]{1,3})$/;
const codeText = /^([0-9]{1,3})\s*\+\s*([0-9]{1,3})$/;

/**
 * The value of x-dsom-redundancy: `copies=3` or `3`, `8+3` for a code of eight data and three parity fragments, or the JSON of the native interface,
 * `{"copies":3}` and `{"data":8,"parity":3}`. Whether the layout can give it is not asked here.
 * @throws StoreError InvalidArgument; UnsupportedRedundancy for forms that are not supported yet
 */
export function parseRedundancy(text: string): Redundancy {
  const given = text.trim();
  const copies = copiesText.exec(given);
  if (copies) return { copies: Number(copies[1]) };
  const code = codeText.exec(given);
  if (code) return { data: Number(code[1]), parity: Number(code[2]) };
  if (/"?(hot|cold)"?/.test(given))
    throw new StoreError('UnsupportedRedundancy', {
      message: 'Moving bytes from hot copies to a cold code is not supported. Ask for one of them, as copies=N or K+M.',
    });
  return fromJson(given) ?? invalid(text);
}

function fromJson(text: string): Redundancy | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const names = Object.keys(value).sort().join();
  const numbers = value as Record<string, unknown>;
  if (Object.values(numbers).some((one) => !Number.isSafeInteger(one))) return undefined;
  if (names === 'copies') return { copies: numbers['copies'] as number };
  if (names === 'data,parity') return { data: numbers['data'] as number, parity: numbers['parity'] as number };
  return undefined;
}

function invalid(text: string): never {
  throw new StoreError('InvalidArgument', {
    message:
      'The redundancy is given as copies=N, as K+M (for example 8+3), or as {"copies":N} or {"data":K,"parity":M}.',
    detail: { ArgumentName: 'x-dsom-redundancy', ArgumentValue: text },
  });
}

/**
 * What an answer says in x-dsom-redundancy: `copies=2` or `8+3`, with `; missing=1` where so many copies or fragments are not there, or
 * `; missing=unknown` where it would take long to find out.
 */
export function storedText({ redundancy, missing }: Stored): string {
  const text = redundancyText(redundancy);
  return missing === 0 ? text : `${text}; missing=${missing ?? 'unknown'}`;
}
