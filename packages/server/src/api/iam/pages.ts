import { limits } from '../../limits.ts';
import type { IdentityKind, IdentityOf } from '../../metadata/index.ts';
import { element } from '../s3/xml/writer.ts';
import { members } from './answer.ts';
import type { IdentityCall } from './call.ts';
import { invalid, rules } from './parameters.ts';

/* Lists come in pages: `Marker` names the last item of the page before, `MaxItems` how many are wanted, 100 when nothing is said. */

const usualItems = 100;

interface PageWish {
  readonly after: string;
  readonly limit: number;
}

function wished(call: IdentityCall): PageWish {
  const limit = call.parameters.number('MaxItems', 1, limits.identityPage) ?? usualItems;
  const marker = call.parameters.raw('Marker');
  if (marker === undefined) return { after: '', limit };
  const after = Buffer.from(marker, 'base64url').toString('utf8');
  if (marker.length > 1024 || after === '' || Buffer.from(after).toString('base64url') !== marker)
    throw invalid('Invalid Marker: give the Marker of the page before, as it was.');
  return { after, limit };
}

const ending = (truncated: boolean, last: string | undefined): string =>
  element('IsTruncated', truncated) +
  (truncated && last !== undefined ? element('Marker', Buffer.from(last).toString('base64url')) : '');

/** A page of what is at hand, in order of its names. */
export function pageOf<Item>(
  call: IdentityCall,
  name: string,
  items: readonly Item[],
  nameOf: (item: Item) => string,
  write: (item: Item) => string,
): string {
  const { after, limit } = wished(call);
  const sorted = [...items].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).filter((item) => nameOf(item) > after);
  const page = sorted.slice(0, limit);
  const last = page.at(-1);
  return (
    members(name, page.map(write)) + ending(sorted.length > page.length, last === undefined ? undefined : nameOf(last))
  );
}

/** A page of the identities of the caller's account, those whose path begins as the request says. */
export function pageOfIdentities<Kind extends IdentityKind>(
  call: IdentityCall,
  kind: Kind,
  name: string,
  write: (item: IdentityOf<Kind>) => string,
): string {
  const { after, limit } = wished(call);
  const prefix = call.parameters.optional('PathPrefix', rules.pathPrefix) ?? '/';
  const { identities } = call.administration;
  const found: IdentityOf<Kind>[] = [];
  let from = after;
  let truncated = true;
  while (found.length < limit && truncated) {
    const page = identities.identities(call.account, kind, from, limit - found.length);
    found.push(...page.items.filter(({ path }) => path.startsWith(prefix)));
    from = page.items.at(-1)?.name ?? from;
    truncated = page.truncated && page.items.length > 0;
  }
  return members(name, found.map(write)) + ending(truncated, from);
}
