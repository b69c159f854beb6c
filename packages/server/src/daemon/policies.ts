import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Policy } from '../metadata/index.ts';
import { namedPolicies, policiesSetting, preparePolicy } from '../objects/index.ts';
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
}

/** @throws StoreError InvalidArgument, UnsupportedRedundancy, NotFound */
export function policyAdmin(owner: Pick<Owner, 'thread' | 'metadata'>) {
  const { reader, stripes } = owner.thread;
  const list = () => [...namedPolicies(reader)].map(([name, policy]) => ({ name, policy }));
  /** One change after the other: each is made over what the one before has left. */
  let last: Promise<unknown> = Promise.resolve();
  const change = async ({ name, policy }: PolicyChange) => {
    const policies = new Map(namedPolicies(reader));
    if (policy) {
      checkName(name);
      await preparePolicy({ stripes }, policy);
      policies.set(name, policy);
    } else if (!policies.delete(name)) {
      throw new StoreError('NotFound', { message: `There is no storage class ${name} of your own.` });
    }
    if (policies.size > limits.policies)
      throw new StoreError('InvalidRequest', {
        message: `There are ${limits.policies} storage classes of your own. Take one away first.`,
      });
    const value = JSON.stringify(Object.fromEntries(policies));
    await owner.metadata.propose({ type: 'setting.write', name: policiesSetting, value });
    return [...policies].map(([one, its]) => ({ name: one, policy: its }));
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
