import type { Plant } from './plant.ts';

const parts = ['src/objects/borrow.test.ts'];
const machine = ['src/metadata/uploads.test.ts'];
const borrow = 'src/objects/borrow.ts';
const manifests = 'src/metadata/machine/manifests.ts';

/* Bugs of parts that borrow the bytes of another object. */

export const borrowPlants: readonly Plant[] = [
  {
    name: 'borrowing: what is borrowed is never given back',
    file: manifests,
    find: '      if (borrowed) this.#let(borrowed.manifest, borrowed.end);\n',
    replace: '      void borrowed;\n',
    tests: parts,
    pattern: 'lets its bytes go in the end',
  },
  {
    name: 'borrowing: a part that another takes the number of keeps what it borrowed',
    file: manifests,
    find: ' && !borrowedBy(value.piece)) return;',
    replace: ') return;',
    tests: parts,
    pattern: 'lets go when another part takes its number',
  },
  {
    name: 'borrowing: nothing is held',
    file: 'src/metadata/machine/apply.ts',
    find: '=> app.hold(manifest, held, pieces),',
    replace: '=> void [app, manifest, held, pieces],',
    tests: machine,
    pattern: 'take a part that borrows',
  },
  {
    name: 'borrowing: from beyond what the version has',
    file: 'src/metadata/machine/decide-uploads.ts',
    find: 'if (embedded || held < borrowed.end) throw',
    replace: 'if (embedded) throw',
    tests: machine,
    pattern: 'take a part that borrows',
  },
  {
    name: 'borrowing: from a manifest that the version has no more',
    file: 'src/metadata/machine/decide-uploads.ts',
    find: ' || !found.manifest.id.equals(borrowed.manifest)) throw sourceChanged();\n  const { embedded',
    replace: ') throw sourceChanged();\n  const { embedded',
    tests: machine,
    pattern: 'take a part that borrows',
  },
  {
    name: 'borrowing: a version has a borrowing piece in its own row',
    file: 'src/metadata/machine/deciding.ts',
    find: '!borrowedBy(piece) && ',
    replace: '',
    tests: parts,
    pattern: 'may be of any slice',
  },
  {
    name: 'borrowing: a read goes on behind the end of what is borrowed',
    file: 'src/objects/layout.ts',
    find: 'end: Math.min(slice.end, offset + size) };',
    replace: 'end: slice.end };',
    tests: parts,
    pattern: 'writes nothing, reads as its source',
  },
  {
    name: 'borrowing: from an object with a key of its own',
    file: borrow,
    find: ' || version.encryption) return false;',
    replace: ') return false;',
    tests: parts,
    pattern: 'encrypted with a key of its own',
  },
  {
    name: 'borrowing: what is to be kept in another way',
    file: borrow,
    find: ' || !isSamePolicy(kept.policy, now)) return false;',
    replace: ') return false;',
    tests: parts,
    pattern: 'kept in different ways',
  },
  {
    name: 'borrowing: from another shard',
    file: borrow,
    find: 'if (shardOfNumber(version.sequence) !== shardOfNumber(sequenceOf(upload.id))) return false;',
    replace: 'if (shardOfNumber(version.sequence) < 0 || sequenceOf(upload.id) < 0) return false;',
    tests: parts,
    pattern: 'from another shard',
  },
  {
    name: 'borrowing: before every node knows it',
    file: borrow,
    find: 'rooms.reader.nodes().length === 0 ||',
    replace: 'rooms.reader.nodes().length >= 0 ||',
    tests: parts,
    pattern: 'in a cluster of which not every node',
  },
  {
    name: 'borrowing: layer upon layer without end',
    file: borrow,
    find: 'return depth < limits.borrowedDepth\n',
    replace: 'return depth >= 0\n',
    tests: parts,
    pattern: 'so often and no oftener',
  },
  {
    name: 'borrowing: what is borrowed is not kept in another way',
    file: 'src/objects/recode.ts',
    find: 'rows.flatMap((placed) => [...lentTo(reader, placed)]);',
    replace: 'rows.filter((placed) => [...lentTo(reader, placed)].length > 0);',
    tests: parts,
    pattern: 'is kept as its object is to be kept',
  },
  {
    name: 'borrowing: fsck takes for lost what only garbage holds',
    file: 'src/durability/check/check.ts',
    find: '        if (!row.borrowed) continue;\n',
    replace: '        if (!row.borrowed || row.position >= 0) continue;\n',
    tests: parts,
    pattern: 'lets go when another part takes its number',
  },
  {
    name: 'borrowing: fsck counts versions and links only',
    file: 'src/durability/check/references.ts',
    find: '    for (const manifest of page.manifests) visit(manifest);\n',
    replace: '',
    tests: parts,
    pattern: 'lets go when another part takes its number',
  },
  {
    name: 'borrowing: fsck does not follow what parts borrow',
    file: 'src/durability/check/reach.ts',
    find: '      this.#lent(piece, where, present);\n    }\n  }\n',
    replace: '    }\n  }\n',
    tests: parts,
    pattern: 'writes nothing, reads as its source',
  },
];
