import { invariant } from '../invariant.ts';
import type { Code, GroupRecord } from '../metadata/index.ts';

/** How a stripe is kept, and on which class of devices (any, when left out). */
export type Scheme = ({ readonly copies: number } | { readonly data: number; readonly parity: number }) & {
  readonly class?: string | undefined;
};

/** Devices of one group. */
export function widthOf(scheme: Scheme): number {
  const width = 'copies' in scheme ? scheme.copies : scheme.data + scheme.parity;
  invariant(Number.isInteger(width) && width >= 1, 'a scheme has a whole number of at least one device');
  return width;
}

/** Devices of one group that may be lost. */
export const toleranceOf = (scheme: Scheme): number => ('copies' in scheme ? scheme.copies - 1 : scheme.parity);

export const schemeOf = ({ code, devices }: GroupRecord): Scheme => code ?? { copies: devices.length };

/** Whether a group is one of this scheme, whatever the class of its devices. */
export function isOf(group: GroupRecord, scheme: Scheme): boolean {
  if ('copies' in scheme) return !group.code && group.devices.length === scheme.copies;
  return group.code?.data === scheme.data && group.code.parity === scheme.parity;
}

export const schemeText = (scheme: Scheme): string =>
  `${'copies' in scheme ? `${scheme.copies} ${scheme.copies === 1 ? 'copy' : 'copies'}` : `${scheme.data}+${scheme.parity}`}${scheme.class === undefined ? '' : ` on ${scheme.class}`}`;

/** The codes that groups exist for. */
export function codesOf(groups: readonly GroupRecord[]): Code[] {
  const codes = new Map<string, Code>();
  for (const { code } of groups) if (code) codes.set(`${code.data}+${code.parity}`, code);
  return [...codes.values()];
}
