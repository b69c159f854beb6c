import { readFileSync } from 'node:fs';
import path from 'node:path';
import { dsom } from '../cluster/cluster.support.ts';
import type { Inventory } from './inventory.ts';
import { namedAnswersOf } from './named.ts';
import { type Answers, answersOf } from './whole.ts';

/** Where the directories of earlier versions are kept. */
export const goldenFolder = path.resolve(import.meta.dirname, '../../server/golden');

/** How the server of a golden directory is started. `first`: what only its first start was given. */
export const layouts = {
  one: { directories: ['a'], flags: [], first: [], coded: false },
  two: { directories: ['a', 'b'], flags: [], first: [], coded: false },
  three: { directories: ['a', 'b', 'c'], flags: [], first: [], coded: true },
  /** One directory, with users, policies, locks and configurations of buckets. */
  whole: { directories: ['a'], flags: [], first: [], coded: false },
  /** One directory, with named keys, quotas, limits and archived objects. */
  named: { directories: ['a'], flags: [], first: [], coded: false },
  /** One directory, with parts that borrow from objects that are there and that are not. */
  borrowed: { directories: ['a'], flags: [], first: [], coded: false },
  /** One directory, with checksums by the newer algorithms. */
  checksums: { directories: ['a'], flags: [], first: [], coded: false },
  /** One directory, with versions that say where they were replicated, or that they are replicas. */
  replicated: { directories: ['a'], flags: [], first: [], coded: false },
  /** Two directories, with keys whose master key was rotated twice, and removed once. */
  rotated: { directories: ['a', 'b'], flags: [], first: [], coded: false },
  /** One node, with a member of etcd of its own. */
  cluster: {
    directories: ['a'],
    flags: ['--etcd-any-version'],
    first: ['--cluster-name', 'golden'],
    coded: false,
  },
  /** The same, with what came with features: settings, an open invitation, an authority that replaced the first one, object shards. */
  members: {
    directories: ['a'],
    flags: ['--etcd-any-version'],
    first: ['--cluster-name', 'golden'],
    coded: false,
  },
  /** The same, of a bucket that got a second shard, in a cluster that did. */
  grown: {
    directories: ['a'],
    flags: ['--etcd-any-version'],
    first: ['--cluster-name', 'golden'],
    coded: false,
  },
} as const;

export type Layout = keyof typeof layouts;

export interface Manifest {
  readonly layout: Layout;
  /** What the version that made it answered just before it was killed. */
  readonly inventory: Inventory;
  /** Of a cluster with features: those that were on, and how often the authority was changed. */
  readonly members?: { readonly features: readonly string[]; readonly authority: number };
  /** What that version answered to questions that an inventory does not ask. */
  readonly answers?: Answers;
}

/** What is asked of a layout beside its inventory. */
export const asking: Partial<Record<Layout, (endpoint: string) => Promise<Answers>>> = {
  whole: answersOf,
  named: namedAnswersOf,
  rotated: namedAnswersOf,
};

/** What the nodes of a cluster agree on. */
export async function membersOf(endpoint: string): Promise<NonNullable<Manifest['members']>> {
  const features = (await dsom(endpoint, 'cluster', 'features')).flatMap(({ name, on }) =>
    on === true ? [String(name)] : [],
  );
  const [authority] = await dsom(endpoint, 'cluster', 'authority');
  return { features, authority: Number(authority?.['number']) };
}

/** A node that was killed leaves its member of etcd running. */
export function killMember(folder: string): void {
  try {
    process.kill(Number(readFileSync(path.join(folder, 'cluster/etcd/pid'), 'utf8')), 'SIGKILL');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ESRCH') throw cause;
  }
}
