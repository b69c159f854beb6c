import { X509Certificate } from 'node:crypto';
import { issuerOf, type NodeCredentials } from '../../certificates/index.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { AuthorityRecord, AuthorityState, Metadata, MetadataReader } from '../../metadata/index.ts';

/*
 * One authority of the cluster takes the place of another while all goes on. The record of the new one goes through three states, and each node does what
 * the state asks of it, then says so to the others; the node that leads writes the next state once every node has said so:
 *
 *   trusted   trusts the new authority beside the old one
 *   issuing   makes itself a certificate of the new one
 *   only      trusts the new one alone
 *
 * So at no time does a node show a certificate that another does not trust yet, or show one any more that another trusts no longer. A node that is away
 * holds the change up until it is back, or removed. etcd reads at its start whom it trusts: members are started again one after the other, in the
 * order of the ids of their nodes, and only while all of them answer.
 */

/** How far a node is. */
export interface AuthorityProgress {
  readonly number: number;
  readonly state: AuthorityState;
}

export interface AuthorityOptions {
  readonly metadata: Pick<Metadata, 'propose'> & { readonly reader: Pick<MetadataReader, 'authority' | 'nodes'> };
  /** Whether this node leads. */
  readonly leads: () => boolean;
  /** Id of this node. */
  readonly node: string;
  readonly host: Host;
  readonly credentials: Pick<NodeCredentials, 'current' | 'trust' | 'renewNow'>;
  /** How far another node is, as far as this one knows. */
  readonly progressOf: (node: string) => AuthorityProgress | undefined;
  /** Keeps the sealed authority from which this node's certificates come from now on. */
  readonly adopt: (sealed: Buffer) => void;
  /** Lets the own member of etcd, if any, show and trust what this node does. False: not now, ask again. */
  readonly secureMember: () => Promise<boolean>;
  /** The other threads of this node read anew within this time. */
  readonly threadsMs?: number;
  readonly onEvent: (progress: AuthorityProgress) => void;
  /** Hears of what could not be done; it is tried again. */
  readonly onError: (cause: unknown) => void;
}

export interface AuthorityDuty {
  /** Undefined: nothing was asked of this node yet, or it is at it. */
  progress(): AuthorityProgress | undefined;
  stop(): Promise<void>;
}

const nextOf: Readonly<Partial<Record<AuthorityState, AuthorityState>>> = { trusted: 'issuing', issuing: 'only' };

export const pemOf = (der: Uint8Array): string => new X509Certificate(der).toString();
export const derOf = (pem: string): Buffer => new X509Certificate(pem).raw;

/** Whether a node has done all that the record asks for. */
export const isDone = (progress: AuthorityProgress | undefined, record: AuthorityProgress): boolean =>
  progress !== undefined && progress.number === record.number && progress.state === record.state;

const sameTexts = (a: readonly string[], b: readonly string[]): boolean => a.join() === b.join();

export function keepAuthority(options: AuthorityOptions): AuthorityDuty {
  const { metadata, leads, node, host, credentials, progressOf, adopt, secureMember, onEvent, onError } = options;
  const { reader } = metadata;
  const threadsMs = options.threadsMs ?? 2 * limits.identityReadMs;
  const stop = new AbortController();
  let done: AuthorityProgress | undefined;
  /** What is under way here, and since when (monotonic) this thread shows and trusts what it asks for. */
  let shown: (AuthorityProgress & { readonly at: number }) | undefined;

  /** Those before this node in order of id have done their part: no two members of etcd are away at the same time. */
  const isMyTurn = (record: AuthorityRecord): boolean =>
    reader.nodes().every((one) => one.state === 'removed' || one.id >= node || isDone(progressOf(one.id), record));

  const follow = async (record: AuthorityRecord): Promise<void> => {
    const { number, state, certificate, sealed, before } = record;
    const newest = pemOf(certificate);
    const all = [newest, ...before.map(pemOf)];
    const trusts = (): readonly string[] => credentials.current().authorities;
    if (!trusts().includes(newest)) await credentials.trust([newest, ...trusts()]);
    if (state !== 'trusted') {
      adopt(sealed);
      if (issuerOf(credentials.current().certificate, [newest]) === undefined) await credentials.renewNow();
    }
    const wanted = state === 'only' ? [newest] : all;
    if (!sameTexts(trusts(), wanted)) await credentials.trust(wanted);
    if (!shown || !isDone(shown, record)) shown = { number, state, at: host.clock.monotonic() };
    if (!isMyTurn(record) || !(await secureMember())) return;
    await host.timers.sleep(Math.max(0, shown.at + threadsMs - host.clock.monotonic()), stop.signal);
    done = { number, state };
    onEvent(done);
  };

  const advance = async (record: AuthorityRecord): Promise<void> => {
    const next = nextOf[record.state];
    const others = reader.nodes().filter((one) => one.state !== 'removed' && one.id !== node);
    if (next === undefined || !others.every(({ id }) => isDone(progressOf(id), record))) return;
    const before = next === 'only' ? [] : record.before;
    await metadata.propose({ type: 'authority.write', authority: { ...record, state: next, before } });
  };

  const loop = (async () => {
    while (!stop.signal.aborted) {
      const record = reader.authority();
      try {
        if (record && !isDone(done, record)) await follow(record);
        else if (record && leads()) await advance(record);
      } catch (cause) {
        if (!stop.signal.aborted) onError(cause);
      }
      await host.timers.sleep(limits.authorityMs, stop.signal);
    }
  })();
  return {
    progress: () => done,
    stop() {
      stop.abort();
      return loop;
    },
  };
}
