import type { Plant } from './plant.ts';

/* Bugs in how bytes come to be kept in another way. */

const recode = 'src/objects/recode.ts';
const decide = 'src/metadata/machine/decide-recode.ts';
const recodeTests = ['src/objects/recode.test.ts'];
const policyTests = ['src/objects/policy.test.ts'];
const hybridTests = ['src/objects/hybrid.test.ts'];
const modelTests = ['src/metadata/model.test.ts'];
const model = { tests: modelTests, pattern: 'kept in another way' };

export const policyPlants: readonly Plant[] = [
  {
    name: 'policies: a stripe takes the place of another before it is durable',
    file: 'src/objects/restripe.ts',
    find: 'await writer.seal();',
    replace: 'void writer;',
    tests: recodeTests,
    pattern: 'every version is kept so',
  },
  {
    name: 'policies: stripes that gave their place away are never freed',
    file: 'src/metadata/machine/manifests.ts',
    find: "this.displace(encodePieceRow({ kind: 'piece', modifiedMs, start: 0, piece: less(old, next) }));",
    replace: 'void modifiedMs;',
    ...model,
  },
  {
    name: 'policies: stripes that stay are freed with those that go',
    file: 'src/metadata/machine/manifests.ts',
    find: 'start: 0, piece: less(old, next) }',
    replace: 'start: 0, piece: old }',
    ...model,
  },
  {
    name: 'policies: a version takes the stripes of those that share them',
    file: decide,
    find: 'if (holders === 1) return [swap(manifest.id)];',
    replace: 'if (holders >= 1) return [swap(manifest.id)];',
    ...model,
  },
  {
    name: 'policies: a version that goes alone keeps some of what others have',
    file: decide,
    find: 'if (!mayUnshare || swaps.length < stripesOf(piece).length) throw',
    replace: 'if (!mayUnshare) throw',
    ...model,
  },
  {
    name: 'policies: a row that other versions hold in their own rows is changed alone',
    file: decide,
    find: 'if (mayBeEmbedded(held.piece, place.index) && view.isShared(place.manifest)) throw',
    replace: 'if (mayBeEmbedded(held.piece, place.index) && place.index > 0) throw',
    ...model,
  },
  {
    name: 'policies: versions that want different things undo each other’s work for ever',
    file: recode,
    find: 'spareCount(stripes.redundancyFor(one, redundancy)) > spareCount(now)',
    replace: 'spareCount(stripes.redundancyFor(one, redundancy)) >= spareCount(now)',
    tests: recodeTests,
    pattern: 'only become safer',
  },
  {
    name: 'policies: where bytes were is remembered though they have moved',
    file: 'src/objects/layout.ts',
    find: 'if (known?.recodedAt !== recodedAt) {',
    replace: 'if (!known) {',
    tests: recodeTests,
    pattern: 'a look at cached places',
  },
  {
    name: 'policies: a move reads what is not there any more',
    file: recode,
    find: "if (!isThere(bucket, key, version, place, old)) throw new StoreError('ConditionalRequestConflict');",
    replace: '',
    tests: recodeTests,
    pattern: 'before its turn comes',
  },
  {
    name: 'policies: an object’s own redundancy is forgotten when its bucket changes',
    file: 'src/objects/policy.ts',
    find: 'if (policy) return { policy, mayInline: false };',
    replace: '',
    tests: recodeTests,
    pattern: 'wins over its bucket',
  },
  {
    name: 'policies: a cold class survives less than the usual copies',
    file: 'src/objects/policy.ts',
    find: 'spareCount(code) >= usual - 1 &&',
    replace: '',
    tests: policyTests,
  },
  {
    name: 'policies: a version becomes cold though it was used meanwhile',
    file: decide,
    find: 'if (command.idleMs !== undefined && stamp.now - lastUseMs(version) < command.idleMs)',
    replace: 'if (command.idleMs !== undefined && stamp.now < 0)',
    tests: hybridTests,
  },
  {
    name: 'policies: only writing counts as use',
    file: decide,
    find: 'Math.max(modifiedMs, use?.readMs ?? 0)',
    replace: 'Math.max(modifiedMs, (use?.readMs ?? 0) * 0)',
    tests: hybridTests,
  },
  {
    name: 'policies: one read brings cold bytes back',
    file: recode,
    find: 'isCold && (version.use?.heat ?? 0) < hotAgain',
    replace: 'isCold && (version.use?.heat ?? 0) < hotAgain - 1',
    tests: hybridTests,
  },
  {
    name: 'policies: every read is a note in the log',
    file: 'src/objects/touches.ts',
    find: 'if (this.#host.clock.now() - lastUseMs(version) < idleMs / notesPerIdleTime) return;',
    replace: '',
    tests: hybridTests,
  },
];
