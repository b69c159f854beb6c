import { conditionKey, type RequestContext, type Requester, type SignedBy, type Standing } from '../../access/index.ts';
import type { Connection } from '../http/connection.ts';
import type { S3Operation } from './names.ts';
import { permissionsOf } from './permissions.ts';

/*
 * What a request says to the conditions of policies. Two rules keep it from saying what its sender likes:
 * - a key has one source, the one that the table of condition keys names; no header or parameter is ever taken for another key, and the
 *   address is that of the connection, never of X-Forwarded-For, unless a proxy that is trusted sends it (`http/connection.ts`);
 * - a key of S3 is there only for operations that have it: `?prefix=home/` on a GET of an object is no s3:prefix.
 */

export interface RequestKnowledge {
  readonly operation: S3Operation;
  readonly standing: Standing;
  readonly connection: Omit<Connection, 'cipher'>;
  readonly nowMs: number;
  readonly region: string;
  /** Lower-case name. */
  header(name: string): string | undefined;
  parameter(name: string): string | undefined;
  /** Where the signature stands, and when it was made; undefined: there is none. */
  readonly signature: SignedBy | undefined;
  /** Account that owns the resource. */
  readonly resourceAccount: string | undefined;
  /** Version of the object that is asked about: of the source, when that is asked about. */
  readonly versionId: string | undefined;
  /** Tags that the request sets. */
  requestTags(): ReadonlyMap<string, string>;
  /** Tags of the object version and of the bucket: looked up when a policy asks. */
  objectTags(): ReadonlyMap<string, string>;
  bucketTags(): ReadonlyMap<string, string>;
  /** Location that the document of CreateBucket names. */
  readonly locationConstraint: string | undefined;
}

type Values = string | readonly string[] | undefined;

const dayMs = 24 * 3600 * 1000;
const isoTime = (ms: number): string => new Date(ms).toISOString();
const flag = (is: boolean): string => (is ? 'true' : 'false');
const whenSome = (list: readonly string[]): Values => (list.length === 0 ? undefined : list);

/** Tags whose keys differ in case only are all meant: a Deny on one of them must not depend on which was set first. */
function tagged(tags: ReadonlyMap<string, string>, lowerKey: string): Values {
  const found: string[] = [];
  for (const [key, value] of tags) if (key.toLowerCase() === lowerKey) found.push(value);
  return whenSome(found);
}

const principalTypes: Readonly<Record<Requester['kind'], string | undefined>> = {
  anonymous: 'Anonymous',
  root: 'Account',
  user: 'User',
  role: 'AssumedRole',
  federated: 'FederatedUser',
  provider: undefined,
  service: undefined,
};

function principalArn(who: Requester): string | undefined {
  if (who.kind === 'role') return who.role;
  return 'arn' in who ? who.arn : undefined;
}

type Source = (known: RequestKnowledge) => Values;

/** What every request tells, whatever it is for. */
export type GeneralKnowledge = Pick<
  RequestKnowledge,
  'standing' | 'connection' | 'nowMs' | 'region' | 'header' | 'signature' | 'resourceAccount'
>;

/** Keys that say who asks. */
const ofPrincipal = new Map<string, (known: Pick<RequestKnowledge, 'standing'>) => Values>(
  Object.entries({
    'aws:username': ({ standing: { requester } }) =>
      requester.kind === 'user' ? requester.arn.slice(requester.arn.lastIndexOf('/') + 1) : undefined,
    'aws:userid': ({ standing }) => standing.userId,
    'aws:principalarn': ({ standing }) => principalArn(standing.requester),
    'aws:principalaccount': ({ standing: { requester } }) => ('account' in requester ? requester.account : undefined),
    'aws:principaltype': ({ standing }) => principalTypes[standing.requester.kind],
  } satisfies Record<string, (known: Pick<RequestKnowledge, 'standing'>) => Values>),
);

/** What policies ask about who asks, and nothing else of his request. */
export function principalContext(standing: RequestKnowledge['standing']): RequestContext {
  const prefix = 'aws:principaltag/';
  return {
    values: (key) =>
      key.startsWith(prefix) ? tagged(standing.tags, key.slice(prefix.length)) : ofPrincipal.get(key)?.({ standing }),
  };
}

/** Keys that every request has. */
const general = new Map<string, (known: GeneralKnowledge) => Values>([
  ...ofPrincipal,
  ...Object.entries({
    'aws:currenttime': ({ nowMs }) => isoTime(nowMs),
    'aws:epochtime': ({ nowMs }) => String(Math.floor(nowMs / 1000)),
    'aws:securetransport': ({ connection }) => flag(connection.secure),
    'aws:sourceip': ({ connection }) => connection.address,
    'aws:useragent': (known) => known.header('user-agent'),
    'aws:referer': (known) => known.header('referer'),
    'aws:requestedregion': ({ region }) => region,
    'aws:resourceaccount': ({ resourceAccount }) => resourceAccount,
    'aws:viaawsservice': () => 'false',
    'aws:principalisawsservice': ({ standing }) => flag(standing.requester.kind === 'service'),
    'aws:principalservicename': ({ standing: { requester } }) =>
      requester.kind === 'service' ? requester.service : undefined,
    'aws:principalservicenameslist': ({ standing: { requester } }) =>
      requester.kind === 'service' ? [requester.service] : undefined,
    'aws:tokenissuetime': ({ standing: { session } }) => session && isoTime(session.issuedMs),
    // Absent, and not false, for credentials that are for good: that is what AWS documents.
    'aws:multifactorauthpresent': ({ standing: { session } }) => session && flag(session.secondFactorMs !== undefined),
    'aws:multifactorauthage': ({ standing: { session }, nowMs }) =>
      session?.secondFactorMs === undefined ? undefined : String(Math.floor((nowMs - session.secondFactorMs) / 1000)),
    'aws:federatedprovider': ({ standing: { session } }) => session?.provider,
    'aws:sourceidentity': ({ standing: { session } }) => session?.sourceIdentity,
    's3:resourceaccount': ({ resourceAccount }) => resourceAccount,
    's3:authtype': ({ signature }) =>
      signature && { header: 'REST-HEADER', query: 'REST-QUERY-STRING', post: 'POST' }[signature.where],
    's3:signatureversion': ({ signature }) => signature && 'AWS4-HMAC-SHA256',
    's3:signatureage': ({ signature, nowMs }) =>
      signature === undefined || signature.where === 'header'
        ? undefined
        : String(Math.max(0, nowMs - signature.madeMs)),
    's3:tlsversion': ({ connection }) => /^TLSv(\d+(?:\.\d+)?)$/.exec(connection.tls ?? '')?.[1],
    's3:x-amz-content-sha256': (known) => known.header('x-amz-content-sha256'),
    'dsom:deviceid': ({ connection }) => connection.device?.id,
    'dsom:devicefingerprint': ({ connection }) => connection.device?.fingerprint,
  } satisfies Record<string, (known: GeneralKnowledge) => Values>),
]);

/** Keys of some operations, where they are not the header of the same name. */
const ofOperation: Readonly<Record<string, Source>> = {
  's3:prefix': (known) => known.parameter('prefix'),
  's3:delimiter': (known) => known.parameter('delimiter'),
  's3:max-keys': (known) => known.parameter('max-keys'),
  's3:versionid': ({ versionId }) => versionId,
  's3:locationconstraint': ({ locationConstraint }) => locationConstraint,
  's3:if-match': (known) => known.header('if-match'),
  's3:if-none-match': (known) => known.header('if-none-match'),
  's3:requestobjecttagkeys': (known) => whenSome([...known.requestTags().keys()]),
  'aws:tagkeys': (known) => whenSome([...known.requestTags().keys()]),
  's3:objectcreationoperation': ({ operation }) => flag(!operation.startsWith('UploadPart')),
  's3:object-lock-mode': (known) => known.header('x-amz-object-lock-mode'),
  's3:object-lock-legal-hold': (known) => known.header('x-amz-object-lock-legal-hold'),
  's3:object-lock-retain-until-date': (known) => known.header('x-amz-object-lock-retain-until-date'),
  's3:object-lock-remaining-retention-days': (known) => {
    const until = Date.parse(known.header('x-amz-object-lock-retain-until-date') ?? '');
    return Number.isNaN(until) ? undefined : String(Math.ceil((until - known.nowMs) / dayMs));
  },
};

/** The keys that requests to every service have. */
export function generalContext(known: GeneralKnowledge): RequestContext {
  return {
    values: (key) => {
      const source = general.get(key);
      if (source) return key.startsWith('s3:') ? undefined : source(known);
      const prefix = 'aws:principaltag/';
      return key.startsWith(prefix) ? tagged(known.standing.tags, key.slice(prefix.length)) : undefined;
    },
  };
}

/** The context of a request, each value made when a policy asks for it. `key` in lower case. */
export function requestContext(known: RequestKnowledge): RequestContext {
  return {
    values: (key) => {
      const source = general.get(key);
      if (source) return source(known);
      const keys = permissionsOf(known.operation).lowerKeys;
      const slash = key.indexOf('/');
      if (slash >= 0) {
        const [kind, tag] = [key.slice(0, slash + 1), key.slice(slash + 1)];
        if (kind === 'aws:principaltag/') return tagged(known.standing.tags, tag);
        if (kind === 'aws:resourcetag/' || kind === 's3:buckettag/') return tagged(known.bucketTags(), tag);
        if (!keys.has(kind)) return undefined;
        if (kind === 's3:existingobjecttag/') return tagged(known.objectTags(), tag);
        return tagged(known.requestTags(), tag);
      }
      if (!keys.has(key)) return undefined;
      if (Object.hasOwn(ofOperation, key)) return ofOperation[key]?.(known);
      return key.startsWith('s3:x-amz-') && conditionKey(key) ? known.header(key.slice('s3:'.length)) : undefined;
    },
  };
}
