import type { IncomingHttpHeaders } from 'node:http';
import type { Identity, SignedBy, Target } from '../../access/index.ts';
import type { Host } from '../../host/index.ts';
import type { ObjectService, Tags } from '../../objects/index.ts';
import type { Exchange } from '../http/exchange.ts';
import { Authorization } from '../s3/authorization.ts';
import { about, type NeedCause, type RequestFacts, saysBypass } from '../s3/permissions.ts';
import type { Route } from './route.ts';

/*
 * The native protocol asks what S3 asks: a route is allowed to whoever may do the same over S3, so that a policy says it once.
 */

/** Headers of this protocol that conditions know under the name that they have in S3. */
const sameAs: Readonly<Record<string, string>> = {
  'x-amz-storage-class': 'x-dsom-storage-class',
  'x-amz-tagging': 'x-dsom-tags',
  'x-amz-content-sha256': 'x-amz-content-sha256',
};

/** What a header is to conditions. Of those of S3 that say nothing here none counts: a policy would be told what is not done. */
const headerOf = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const own = name.startsWith('x-amz-') ? (Object.hasOwn(sameAs, name) ? sameAs[name] : undefined) : name;
  return own === undefined ? undefined : (headers[own] as string | undefined);
};

export interface RestRequest {
  readonly identity: Identity;
  readonly signature: SignedBy | undefined;
  readonly exchange: Exchange;
  readonly query: Target['query'];
  readonly host: Host;
  readonly region: string;
  readonly objects: ObjectService;
}

export function restAuthorization({ query, host, ...request }: RestRequest): Authorization {
  return new Authorization({
    ...request,
    nowMs: host.clock.now(),
    header: (name) => headerOf(request.exchange.request.headers, name),
    parameter: (name) => query.get(name === 'max-keys' ? 'limit' : name),
  });
}

/** What path, query and headers say a call is about. */
export function factsOf(
  path: Readonly<Record<string, string>>,
  query: Target['query'],
  headers: IncomingHttpHeaders,
): RequestFacts {
  const key = path['key'] ?? query.get('key') ?? '';
  const causes = new Set<NeedCause>(headers['x-dsom-tags'] === undefined ? [] : ['tagging']);
  if (saysBypass((name) => headers[name]?.toString())) causes.add('bypass');
  return { ...about(path['bucket'] ?? '', key, query.get('versionId')), causes };
}

/** The same with what a body says. `tags`: those it sets; undefined: it says nothing of them */
export function factsWith(facts: RequestFacts, key: string, tags: Tags | undefined): RequestFacts {
  const causes = new Set([...facts.causes, ...(tags === undefined ? [] : (['tagging'] as const))]);
  return {
    ...facts,
    target: { ...facts.target, key },
    causes,
    ...(tags && { said: { tags } }),
  };
}

/** Whether a call may go on to its route. */
export async function mayCall(
  { access, id }: Route,
  authorization: Authorization,
  facts: RequestFacts,
): Promise<boolean> {
  authorization.renew();
  switch (access) {
    case 'open':
      return true;
    case 'admin':
      return authorization.allowsOwn(`${id[0]?.toUpperCase()}${id.slice(1)}`, undefined);
    default:
      if (access.later) return access.operations.every((one) => authorization.mayAtAll(one, facts.target.bucket));
      for (const one of access.operations) if (!(await authorization.allows(one, facts))) return false;
      return true;
  }
}
