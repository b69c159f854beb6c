import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { type Etcd, EtcdError, type Member } from './types.ts';

/*
 * Growing and shrinking an etcd cluster. A new member first learns without a vote, so the cluster can do without it until it has caught up.
 * Each step looks at the list of members before it acts, so a step that was broken off is taken up again.
 */

const same = (peerUrl: string) => (member: Member) => member.peerUrls.includes(peerUrl);

/** Does `step` until it says that it is done, while etcd is out of reach or refuses for now. */
async function insist(host: Host, what: string, step: () => Promise<boolean>): Promise<void> {
  const end = host.clock.monotonic() + limits.etcdJoinMs;
  for (;;) {
    let why = 'it is not done yet';
    try {
      if (await step()) return;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      why = error.message;
    }
    if (host.clock.monotonic() >= end) {
      const message = `${what} failed within ${limits.etcdJoinMs / 1000} s: ${why}. Check that most members of etcd run, and try again.`;
      throw new StoreError('ServiceUnavailable', { message });
    }
    await host.timers.sleep(limits.etcdTryMs);
  }
}

/**
 * Adds a member, which is started next with the text that this resolves with (`--initial-cluster`), and promoted then.
 * @param name of the member; @param peerUrl where the other members reach it
 * @throws StoreError InvalidRequest when a member of another name is there already: etcd would take the new one for it, and it would end
 * at once because it has not what that one had acknowledged
 */
export async function addMember(etcd: Etcd, host: Host, name: string, peerUrl: string): Promise<string> {
  let text = '';
  await insist(host, `Adding the etcd member ${name}`, async () => {
    const members = await etcd.members();
    const there = members.find(same(peerUrl));
    if (!there) {
      await etcd.addLearner(peerUrl);
      return false;
    }
    // A member has no name until it has started.
    if (there.name !== '' && there.name !== name) {
      const message = `The etcd member ${there.name} of another node has the address ${peerUrl}. Give this node another address, or remove that node first if it is gone for good (dsom node remove).`;
      throw new StoreError('InvalidRequest', { message });
    }
    const named = (member: Member): string =>
      same(peerUrl)(member) ? name : member.name || `m${member.id.toString(16)}`;
    text = members.flatMap((member) => member.peerUrls.map((url) => `${named(member)}=${url}`)).join(',');
    return true;
  });
  return text;
}

/** Gives the member its vote as soon as it has caught up. */
export function promoteMember(etcd: Etcd, host: Host, peerUrl: string): Promise<void> {
  return insist(host, `Giving the etcd member at ${peerUrl} its vote`, async () => {
    const member = (await etcd.members()).find(same(peerUrl));
    if (!member)
      throw new StoreError('NotFound', { message: `No etcd member has the peer URL ${peerUrl}: add it first.` });
    if (member.learner) await etcd.promote(member.id);
    return !member.learner;
  });
}

/** Says where the other members reach one from now on, whether it runs or not. Nothing is done where no member has that name. */
export function moveMember(etcd: Etcd, host: Host, name: string, peerUrl: string): Promise<void> {
  return insist(host, `Telling the members of etcd that ${name} is at ${peerUrl} now`, async () => {
    const member = (await etcd.members()).find((one) => one.name === name);
    if (!member || same(peerUrl)(member)) return true;
    await etcd.updateMember(member.id, peerUrl);
    return false;
  });
}

/** Takes a member out, whether it runs or not. */
export function removeMember(etcd: Etcd, host: Host, peerUrl: string): Promise<void> {
  return insist(host, `Removing the etcd member at ${peerUrl}`, async () => {
    const member = (await etcd.members()).find(same(peerUrl));
    if (member) await etcd.removeMember(member.id);
    return member === undefined;
  });
}
