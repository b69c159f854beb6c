import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createAuthority, createInvitation, encodeAuthority, issuerOf, joinServer } from '../../certificates/index.ts';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import type { Keyring } from '../../keys/index.ts';
import { limits } from '../../limits.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { pack, type Serve } from '../../transport/index.ts';
import { folders } from '../directories.ts';
import { type AuthorityDuty, type AuthorityProgress, derOf, isDone, keepAuthority, pemOf } from './authority.ts';
import type { Engine } from './engine.ts';
import { clusterInvitations } from './invitations.ts';
import { authorityContext, type NodeLinks, openAuthority } from './links.ts';
import type { Welcome } from './membership.ts';
import type { Network } from './network.ts';
import type { ClusterShard } from './shard.ts';
import { type NodeFile, readAuthority, writeAuthority } from './state.ts';

/* Who becomes a member of the cluster, and by whose word: invitations, joining, and the change of the authority. */

export interface OpenInvitation {
  /** Hexadecimal. */
  readonly id: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  /** Node that made it. */
  readonly by: string;
}

export interface AuthorityStatus {
  /** How often it was changed. */
  readonly number: number;
  /** `only`: no change is under way. */
  readonly state: AuthorityProgress['state'];
  readonly validUntil: string;
  /** Nodes that have not done yet what the state asks for; empty when no change is under way. */
  readonly waitsFor: readonly string[];
}

export interface ClusterMembers {
  /** A line that one further node can join with. @param seconds for which it is good */
  invite(seconds: number | undefined): Promise<{ readonly line: string; readonly expiresAt: string }>;
  invitations(): readonly OpenInvitation[];
  /** @param id or the unambiguous beginning of one @returns the whole id */
  revoke(id: string): Promise<string>;
  authority(): AuthorityStatus;
  /** Begins to put a new authority in the place of the present one. */
  rotate(): Promise<AuthorityStatus>;
}

export interface MembersOptions {
  readonly folder: string;
  readonly file: NodeFile;
  /** Directory with the keyring. */
  readonly primary: string;
  readonly keyring: Keyring;
  readonly host: Host;
  readonly log: StructuredLog;
  /** Where other nodes reach this one. */
  readonly between: string;
  readonly shard: ClusterShard;
  readonly links: NodeLinks;
  readonly engine: Engine;
  readonly latest: () => Promise<unknown>;
}

export interface OpenMembers extends ClusterMembers {
  /** Answers nodes that join. */
  readonly join: Serve;
  /** How far this node is with a change of the authority. */
  progress(): AuthorityProgress | undefined;
  /** Follows changes of the authority from now on. */
  follow(network: Pick<Network, 'neighbours'>): AuthorityDuty;
}

export function openMembers(options: MembersOptions): OpenMembers {
  const { folder, file, primary, keyring, host, log, between, shard, links, engine, latest } = options;
  const { node } = file;
  const { credentials } = links;
  const { reader } = shard;
  const invitations = clusterInvitations({ metadata: shard, node, latest });
  let network: Pick<Network, 'neighbours'> | undefined;
  let duty: AuthorityDuty | undefined;

  const stateOf = (id: string) => network?.neighbours().find((one) => one.id === id)?.state;
  const progressOf = (id: string): AuthorityProgress | undefined =>
    id === node ? duty?.progress() : stateOf(id)?.authority;

  const authority = (): AuthorityStatus => {
    const record = reader.authority();
    const newest = record ? pemOf(record.certificate) : credentials.current().authorities[0];
    invariant(newest, 'a node trusts the authority of its cluster');
    const nodes = reader.nodes().filter((one) => one.state !== 'removed');
    return {
      number: record?.number ?? 0,
      state: record?.state ?? 'only',
      validUntil: new X509Certificate(newest).validToDate.toISOString(),
      waitsFor: record ? nodes.flatMap(({ id }) => (isDone(progressOf(id), record) ? [] : [id])) : [],
    };
  };

  return {
    async invite(seconds) {
      const { certificate, authorities } = credentials.current();
      const issuer = issuerOf(certificate, authorities);
      invariant(issuer, 'a node has its certificate from an authority that it trusts');
      const others = invitations.shared()
        ? reader.nodes().flatMap(({ id, address }) => (id !== node && stateOf(id) ? [address] : []))
        : [];
      const { line, untilMs } = await createInvitation({
        host,
        store: invitations,
        address: [between, ...others].slice(0, limits.invitationAddresses).join(','),
        authority: issuer,
        ...(seconds !== undefined && { validMs: seconds * 1000 }),
      });
      return { line, expiresAt: new Date(untilMs).toISOString() };
    },
    invitations: () =>
      invitations.open(host.clock.now()).map(({ id, createdMs, untilMs, node: by }) => ({
        id: id.toString('hex'),
        createdAt: new Date(createdMs).toISOString(),
        expiresAt: new Date(untilMs).toISOString(),
        by,
      })),
    revoke: (id) => invitations.revoke(id),
    authority,
    async rotate() {
      await latest();
      const made = createAuthority(host);
      const sealed = await keyring.wrap(encodeAuthority(made), authorityContext);
      const before = reader.authority();
      await shard.propose({
        type: 'authority.write',
        authority: {
          number: (before?.number ?? 0) + 1,
          state: 'trusted',
          certificate: derOf(made.certificate),
          sealed,
          before: before ? [before.certificate] : credentials.current().authorities.map(derOf),
        },
      });
      return authority();
    },
    join: joinServer({
      host,
      invitations,
      authority: () => openAuthority(folder, keyring),
      authorities: () => credentials.current().authorities,
      async admit(id) {
        if (reader.nodes().some((one) => one.id === id))
          throw new StoreError('InvalidRequest', { message: `There is a node ${id} already.` });
        const welcome: Welcome = {
          cluster: file.cluster,
          store: file.store,
          keyring: readFileSync(path.join(folders.keys(primary), 'keyring')),
          authority: readAuthority(folder),
          endpoints: await engine.clients(),
          by: { node, address: between },
        };
        return pack(welcome);
      },
    }),
    progress: () => duty?.progress(),
    follow(of) {
      network = of;
      duty = keepAuthority({
        metadata: shard,
        leads: () => shard.leads,
        node,
        host,
        credentials,
        progressOf,
        adopt(sealed) {
          if (!readAuthority(folder).equals(sealed)) writeAuthority(folder, sealed);
        },
        secureMember: () => engine.secure(),
        onEvent: (done) => log.info('this node has followed a change of the authority', { ...done }),
        onError: (cause) => log.warn('a change of the authority could not be followed; it is tried again', { cause }),
      });
      return duty;
    },
  };
}
