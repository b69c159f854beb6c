import type { Plant } from './plant.ts';

/* Bugs in what nodes agree on, and in who becomes one: features, invitations, the authority, a device that takes the place of another. */

export const memberPlants: readonly Plant[] = [
  {
    name: 'metadata: what a node does not know yet is written all the same',
    file: 'src/metadata/machine/decide.ts',
    find: 'if (!stamp.alone && !known)',
    replace: 'if (stamp.position < 0)',
    tests: ['src/metadata/features.test.ts'],
  },
  {
    name: 'metadata: a feature that is not known stops nobody',
    file: 'src/metadata/replica.ts',
    find: 'if (unknown.length > 0)',
    replace: 'if (unknown.length > names.length)',
    tests: ['src/metadata/features.test.ts'],
  },
  {
    name: 'node: a feature is turned on while a node holds it back',
    file: 'src/daemon/cluster/features.ts',
    find: 'if (on || !known || heldBackBy.length > 0) continue;',
    replace: 'if (on || !known) continue;',
    tests: ['src/daemon/cluster/features.test.ts'],
  },
  {
    name: 'metadata: invitations that have expired take the place of others',
    file: 'src/metadata/machine/decide-members.ts',
    find: 'if (all.length - expired.length >= limits.invitations)',
    replace: 'if (all.length >= limits.invitations)',
    tests: ['src/metadata/features.test.ts'],
  },
  {
    name: 'metadata: an authority is replaced before every node trusts the next one',
    file: 'src/metadata/machine/decide-members.ts',
    find: "if (nextStates[before?.state ?? 'absent'] !== state || number !== expected)",
    replace: 'if (number !== expected)',
    tests: ['src/metadata/features.test.ts'],
  },
  {
    name: 'node: an invitation is good for all that use it at the same time',
    file: 'src/daemon/cluster/invitations.ts',
    find: 'if (isMissing(cause)) return false;',
    replace: 'if (isMissing(cause)) return true;',
    tests: ['src/daemon/cluster/invitations.test.ts'],
  },
  {
    name: 'node: an invitation is looked for in what this node happens to have',
    file: 'src/daemon/cluster/invitations.ts',
    find: '      if (here) return here;\n      await latest();',
    replace: '      if (here) return here;',
    tests: ['src/daemon/cluster/invitations.test.ts'],
  },
  {
    name: 'certificates: a line with several addresses is told to the next cluster after one that is another',
    file: 'src/certificates/join.ts',
    find: 'if (!away || index === addresses.length - 1) throw cause;',
    replace: 'if (index === addresses.length - 1) throw cause;',
    tests: ['src/certificates/join.test.ts'],
  },
  {
    name: 'node: certificates of a new authority are shown before every node trusts it',
    file: 'src/daemon/cluster/authority.ts',
    find: '!others.every(({ id }) => isDone(progressOf(id), record))',
    replace: '!others.some(({ id }) => isDone(progressOf(id), record))',
    tests: ['src/daemon/cluster/authority.test.ts'],
  },
  {
    name: 'node: members of etcd are started again at the same time',
    file: 'src/daemon/cluster/authority.ts',
    find: "one.state === 'removed' || one.id >= node ||",
    replace: "one.state !== 'joining' || one.id >= node ||",
    tests: ['src/daemon/cluster/authority.test.ts'],
  },
  {
    name: 'node: the authority that a node issues from is not the one that is trusted',
    file: 'src/daemon/cluster/authority.ts',
    find: '      adopt(sealed);\n',
    replace: '',
    tests: ['src/daemon/cluster/authority.test.ts'],
  },
  {
    name: 'node: the own member of etcd goes on with the old certificate',
    file: 'src/daemon/cluster/tls.ts',
    find: "if (certificate !== '' && !isDue(certificate, host) && issuerOf(certificate, [authority.certificate])) return;",
    replace: "if (certificate !== '' && !isDue(certificate, host)) return;",
    tests: ['src/daemon/cluster/state.test.ts'],
  },
  {
    name: 'placement: a device takes places that crowd a node',
    file: 'src/placement/rehome.ts',
    find: 'if (!members.counts(group.devices, leaving, caps).fits(device)) return [];',
    replace: 'if (members.counts(group.devices, leaving, caps) === undefined) return [];',
    tests: ['src/placement/replace.test.ts'],
  },
  {
    name: 'members: a node that comes back is in use, though it is to be drained',
    file: 'src/daemon/cluster/objectshards.ts',
    find: "node: record, keeps: 'state' });",
    replace: 'node: record });',
    tests: ['src/daemon/cluster/objectshards.test.ts'],
  },
];
