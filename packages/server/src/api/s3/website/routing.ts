import type { Redirect, RoutingRule } from '../configurations/website.ts';
import { encodeUrl } from '../xml/writer.ts';

/* Where a website sends a reader instead of answering. */

/** A key as a path of this host. A slash in front is escaped: `//name` would be another host. */
export const pathOf = (key: Buffer): string => {
  const path = encodeUrl(key);
  return path.startsWith('/') ? `/%2F${path.slice(1)}` : `/${path}`;
};

/** The first rule that fits. @param status of the error; undefined before it is known whether there is one */
export const ruleFor = (rules: readonly RoutingRule[], key: Buffer, status: number | undefined) =>
  rules.find((rule) => rule.status === status && (rule.prefix === undefined || startsWith(key, rule.prefix)));

const startsWith = (key: Buffer, prefix: string): boolean => {
  const bytes = Buffer.from(prefix, 'utf8');
  return key.subarray(0, bytes.length).equals(bytes);
};

/** @param own protocol and host that were asked: a rule that names neither stays with them */
export function locationOf(
  { redirect, prefix = '' }: { readonly redirect: Redirect; readonly prefix?: string | undefined },
  key: Buffer,
  own: { readonly protocol: string; readonly host: string },
): string {
  const { protocol, host, replaceKey, replacePrefix } = redirect;
  let target = key;
  if (replaceKey !== undefined) target = Buffer.from(replaceKey, 'utf8');
  else if (replacePrefix !== undefined)
    target = Buffer.concat([Buffer.from(replacePrefix, 'utf8'), key.subarray(Buffer.byteLength(prefix))]);
  const path = pathOf(target);
  return protocol === undefined && host === undefined
    ? path
    : `${protocol ?? own.protocol}://${host ?? own.host}${path}`;
}
