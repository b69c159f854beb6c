import { type InvitationStore, memoryInvitations } from '../../certificates/index.ts';
import { StoreError } from '../../errors.ts';
import type { InvitationRecord, Metadata, MetadataReader } from '../../metadata/index.ts';

/*
 * Open invitations are rows of the metadata: any node takes in who has the line, a restart forgets none, and of two that use one at the same time one is
 * let in, for each is taken away by an entry. As long as a node of an earlier version is there that does not know such rows, the node that makes an
 * invitation keeps it in memory, and it is good there only.
 */

export interface InvitationOptions {
  readonly metadata: Pick<Metadata, 'propose'> & { readonly reader: Pick<MetadataReader, 'features' | 'invitations'> };
  /** Id of this node. */
  readonly node: string;
  /** Resolves when this node has applied what was answered anywhere before. */
  readonly latest: () => Promise<unknown>;
}

export interface ClusterInvitations extends InvitationStore {
  /** Whether they are good at every node. */
  shared(): boolean;
  /** Those that can be used still, wherever they were made. */
  open(nowMs: number): readonly InvitationRecord[];
  /** @throws StoreError NotFound, InvalidRequest when several begin so */
  revoke(id: string): Promise<string>;
}

const isMissing = (cause: unknown): boolean => cause instanceof StoreError && cause.code === 'NotFound';

export function clusterInvitations({ metadata, node, latest }: InvitationOptions): ClusterInvitations {
  const { reader } = metadata;
  const early = memoryInvitations();
  const shared = (): boolean => reader.features().includes('invitations');
  const remove = (id: Buffer) => metadata.propose({ type: 'invitation.remove', id });
  return {
    shared,
    async add(record) {
      if (!shared()) return early.add(record);
      const { secretHash, untilMs } = record;
      const invitation = { id: Buffer.from(record.id, 'hex'), secretHash, untilMs, node };
      await metadata.propose({ type: 'invitation.write', invitation });
    },
    async find(id) {
      const here = await early.find(id);
      if (here) return here;
      await latest();
      const found = reader.invitations().find((one) => one.id.toString('hex') === id);
      return found && { id, secretHash: found.secretHash, untilMs: found.untilMs };
    },
    async take(id) {
      if (await early.take(id)) return true;
      try {
        await remove(Buffer.from(id, 'hex'));
        return true;
      } catch (cause) {
        if (isMissing(cause)) return false;
        throw cause;
      }
    },
    open: (nowMs) => reader.invitations().filter(({ untilMs }) => untilMs > nowMs),
    async revoke(prefix) {
      await latest();
      const found = reader.invitations().filter(({ id }) => id.toString('hex').startsWith(prefix));
      const [only] = found;
      if (!only)
        throw new StoreError('NotFound', {
          message: `There is no open invitation ${prefix}. \`dsom cluster invitations\` lists them.`,
        });
      if (found.length > 1)
        throw new StoreError('InvalidRequest', {
          message: `${found.length} invitations begin with ${prefix}: give more digits of the id.`,
        });
      await remove(only.id);
      return only.id.toString('hex');
    },
  };
}
