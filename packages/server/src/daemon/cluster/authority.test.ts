import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import {
  createAuthority,
  encodeAuthority,
  issueCertificate,
  issuerOf,
  newKey,
  publicDer,
} from '../../certificates/index.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { AuthorityRecord, Command, NodeRecord } from '../../metadata/index.ts';
import { type AuthorityDuty, derOf, keepAuthority } from './authority.ts';

/*
 * Nodes that follow a change, over one record that all see at once. A node stands for its whole: what it shows and trusts. After each step it is checked that
 * whatever a node shows is trusted by every node, which is what keeps their links.
 */

const host = manualHost(7);
const real = realHost();
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn++) await new Promise<void>((resolve) => real.timers.soon(resolve));
};

const first = createAuthority(host);
const authorities = [first, createAuthority(host), createAuthority(host)];

class FakeNode {
  authority = first;
  certificate = '';
  authorities: readonly string[] = [first.certificate];
  /** What its member of etcd trusts; started again it trusts what the node does. */
  member: readonly string[] = [first.certificate];
  memberAway = false;
  away = false;
  duty: AuthorityDuty | undefined;
  readonly id: string;

  constructor(id: string) {
    this.id = id;
    this.issue();
  }

  issue(): void {
    this.certificate = issueCertificate(host, this.authority, { node: this.id, publicKey: publicDer(newKey(host)) });
  }
}

class Cluster {
  nodes: FakeNode[];
  removed = new Set<string>();
  record: AuthorityRecord | undefined;
  leader: string;
  restarts: string[] = [];
  /** Members that were away at the same time, at most. */
  mostAway = 0;

  constructor(...ids: string[]) {
    this.nodes = ids.map((id) => new FakeNode(id));
    this.leader = ids[0] as string;
    for (const node of this.nodes) this.start(node);
  }

  find = (id: string): FakeNode => this.nodes.find((one) => one.id === id) as FakeNode;

  start(node: FakeNode): void {
    const reader = {
      authority: () => this.record,
      nodes: () =>
        this.nodes.map(
          ({ id }) => ({ id, state: this.removed.has(id) ? 'removed' : 'active' }) as unknown as NodeRecord,
        ),
    };
    node.duty = keepAuthority({
      metadata: {
        reader,
        propose: async (command: Command) => {
          assert.equal(command.type, 'authority.write');
          this.record = (command as { authority: AuthorityRecord }).authority;
          return { reply: { type: 'done' }, position: 1 };
        },
      },
      leads: () => this.leader === node.id && !node.away,
      node: node.id,
      host,
      credentials: {
        current: () => ({ certificate: node.certificate, privateKey: '', authorities: node.authorities }),
        async trust(wanted) {
          assert.ok(issuerOf(node.certificate, wanted), `${node.id} shows what it trusts`);
          node.authorities = wanted;
        },
        async renewNow() {
          node.issue();
        },
      },
      progressOf: (id) => {
        const other = this.find(id);
        return other.away ? undefined : other.duty?.progress();
      },
      adopt: (sealed) => {
        node.authority = authorities.find((one) => encodeAuthority(one).equals(sealed)) as typeof first;
      },
      secureMember: async () => {
        if (node.member.join() === node.authorities.join()) return true;
        node.memberAway = true;
        this.mostAway = Math.max(this.mostAway, this.nodes.filter((one) => one.memberAway).length);
        this.restarts.push(node.id);
        await host.timers.sleep(1500);
        node.member = node.authorities;
        node.memberAway = false;
        return true;
      },
      onEvent: () => {},
      onError: (cause) => assert.fail(String(cause)),
    });
  }

  begin(number: number): void {
    const made = authorities[number] as typeof first;
    const before = [(authorities[number - 1] as typeof first).certificate].map(derOf);
    const record = { number, state: 'trusted', certificate: derOf(made.certificate), before } as const;
    this.record = { ...record, sealed: encodeAuthority(made) };
  }

  #checked = '';

  check(): void {
    const now = JSON.stringify(
      this.nodes.map(({ id, certificate, authorities: all, member }) => [
        this.removed.has(id),
        certificate,
        all,
        member,
      ]),
    );
    if (now === this.#checked) return;
    this.#checked = now;
    for (const shows of this.nodes.filter(({ id }) => !this.removed.has(id)))
      for (const trusts of this.nodes.filter(({ id }) => !this.removed.has(id))) {
        assert.ok(issuerOf(shows.certificate, trusts.authorities), `${trusts.id} trusts ${shows.id}`);
        assert.ok(issuerOf(shows.certificate, trusts.member), `the member of ${trusts.id} trusts ${shows.id}`);
      }
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      host.advance(250);
      await settle();
      this.check();
    }
  }

  async stop(): Promise<void> {
    const ends = this.nodes.map(async ({ duty }) => duty?.stop());
    await this.pass(5000);
    await Promise.all(ends);
  }
}

let cluster: Cluster;
afterEach(() => cluster.stop());

describe('a change of the authority', () => {
  it('goes through all nodes, each trusted by all at any time, one member of etcd after the other', async () => {
    cluster = new Cluster('a', 'b', 'c');
    await cluster.pass(3000);
    cluster.begin(1);
    await cluster.pass(120_000);
    assert.equal(cluster.record?.state, 'only');
    const newest = authorities[1]?.certificate as string;
    for (const { authorities: trusted, certificate, member } of cluster.nodes) {
      assert.deepEqual([trusted, member], [[newest], [newest]]);
      assert.ok(issuerOf(certificate, [newest]));
    }
    assert.equal(cluster.mostAway, 1);
    assert.deepEqual(cluster.restarts, ['a', 'b', 'c', 'a', 'b', 'c']);
    // What a node had before is good nowhere any more.
    const old = issueCertificate(host, first, { node: 'x', publicKey: publicDer(newKey(host)) });
    for (const { authorities: trusted } of cluster.nodes) assert.equal(issuerOf(old, trusted), undefined);
    cluster.begin(2);
    await cluster.pass(120_000);
    assert.deepEqual([cluster.record?.number, cluster.record?.state], [2, 'only']);
  });

  it('waits for a node that is away, whenever that is, and goes on without one that is removed', async () => {
    cluster = new Cluster('a', 'b', 'c');
    const c = cluster.find('c');
    c.away = true;
    await c.duty?.stop();
    cluster.begin(1);
    await cluster.pass(60_000);
    assert.equal(cluster.record?.state, 'trusted');
    assert.deepEqual(c.authorities, [first.certificate]);
    c.away = false;
    cluster.start(c);
    await cluster.pass(8000);
    assert.equal(cluster.record?.state, 'issuing');
    c.away = true;
    const ending = c.duty?.stop();
    await cluster.pass(60_000);
    await ending;
    assert.equal(cluster.record?.state, 'issuing');
    cluster.removed.add('c');
    await cluster.pass(60_000);
    assert.equal(cluster.record?.state, 'only');
  });

  it('is taken up again by nodes that were started anew, and by another that leads', async () => {
    cluster = new Cluster('a', 'b', 'c');
    cluster.begin(1);
    for (let step = 0; step < 12; step++) {
      await cluster.pass(limits.authorityMs * 4);
      const node = cluster.nodes[step % 3] as FakeNode;
      const ending = node.duty?.stop();
      await cluster.pass(5000);
      await ending;
      cluster.leader = cluster.nodes[(step + 1) % 3]?.id as string;
      cluster.start(node);
    }
    await cluster.pass(60_000);
    assert.equal(cluster.record?.state, 'only');
  });
});
