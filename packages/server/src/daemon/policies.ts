import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { archivesSetting, type Policy } from '../metadata/index.ts';
import {
  archiveNames,
  archivesOf,
  namedPolicies,
  policiesSetting,
  preparePolicy,
  type RestoreDelays,
} from '../objects/index.ts';
import type { Owner } from './owner.ts';

/* The operator's own policies, named as storage classes: kept in the metadata, so that every node knows them. */

const nameForm = /^[A-Z][A-Z0-9_]*$/;

/** What S3 names is known to clients, and STANDARD is what the bucket says. */
function checkName(name: string): void {
  if (nameForm.test(name) && name.length <= limits.policyNameChars && name !== 'STANDARD') return;
  throw new StoreError('InvalidArgument', {
    message: `A storage class is named with A to Z, 0 to 9 and _, a letter first, in ${limits.policyNameChars} characters at most, and STANDARD is what the bucket says.`,
  });
}

export interface PolicyChange {
  readonly name: string;
  /** null takes it away: objects of the class are then kept as their bucket says. */
  readonly policy: Policy | null;
  /** Objects of the class are archived, and restored so much later; null: they are read at once. Left out: as before. */
  readonly archive?: RestoreDelays | null;
}

function checkArchive(name: string, delays: RestoreDelays): void {
  if (!archiveNames.includes(name))
    throw new StoreError('InvalidArgument', {
      message: `Clients know of ${archiveNames.join(' and ')} that their objects have to be restored: only these can be archives.`,
    });
  for (const ms of [delays.Standard, delays.Bulk, delays.Expedited])
    if (!Number.isSafeInteger(ms) || ms < 0 || ms > limits.restoreDelayMs)
      throw new StoreError('InvalidArgument', {
        message: `A restore takes 0 to ${limits.restoreDelayMs} ms, for each of Standard, Bulk and Expedited.`,
      });
}

/** @throws StoreError InvalidArgument, UnsupportedRedundancy, NotFound */
export function policyAdmin(owner: Pick<Owner, 'thread' | 'metadata'>) {
  const { reader, stripes } = owner.thread;
  const list = () => {
    const archives = archivesOf(reader);
    return [...namedPolicies(reader)].map(([name, policy]) => {
      const archive = archives.get(name);
      return { name, policy, ...(archive && { archive }) };
    });
  };
  const write = (name: string, values: ReadonlyMap<string, unknown>) => {
    const value = JSON.stringify(Object.fromEntries(values));
    return owner.metadata.propose({ type: 'setting.write', name, value });
  };
  const changeArchive = async (name: string, archive: PolicyChange['archive']) => {
    const archives = new Map(archivesOf(reader));
    if (archive) archives.set(name, archive);
    else if (!archives.delete(name)) return;
    await write(archivesSetting, archives);
  };
  /** One change after the other: each is made over what the one before has left. */
  let last: Promise<unknown> = Promise.resolve();
  const change = async ({ name, policy, archive }: PolicyChange) => {
    const policies = new Map(namedPolicies(reader));
    if (policy) {
      checkName(name);
      if (archive) checkArchive(name, archive);
      await preparePolicy({ stripes }, policy);
      policies.set(name, policy);
    } else if (!policies.delete(name)) {
      throw new StoreError('NotFound', { message: `There is no storage class ${name} of your own.` });
    }
    if (policies.size > limits.policies)
      throw new StoreError('InvalidRequest', {
        message: `There are ${limits.policies} storage classes of your own. Take one away first.`,
      });
    // A class is never there without the mark that it is to have: what is put into it would be read.
    if (policy && archive !== undefined) await changeArchive(name, archive);
    await write(policiesSetting, policies);
    if (!policy) await changeArchive(name, null);
    return list();
  };
  return {
    'policy.list': list,
    'policy.change': (argument: unknown) => {
      const next = last.then(() => change(argument as PolicyChange));
      last = next.catch(() => undefined);
      return next;
    },
  };
}
