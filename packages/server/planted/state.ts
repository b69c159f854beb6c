import type { Plant } from './plant.ts';

/* Bugs in the state: what the log is turned into, and who decides. */

export const metadataPlants: readonly Plant[] = [
  {
    name: 'metadata: the newest entry is applied again after a restart',
    file: 'src/metadata/replica.ts',
    find: 'encodeApplied(applied)]',
    replace: 'encodeApplied({ ...this.#applied, digest: applied.digest })]',
    tests: ['src/metadata/model.test.ts'],
  },
  {
    name: 'metadata: a write whose entry failed is acknowledged',
    file: 'src/metadata/owner.ts',
    find: 'for (const { proposal } of outcomes) proposal.reject(this.#unavailable());',
    replace:
      "for (const outcome of outcomes) if ('reply' in outcome) outcome.proposal.resolve({ reply: outcome.reply, position });",
    tests: ['src/metadata/model.test.ts'],
    pattern: 'holds an entry whose sync outlived the process',
  },
  {
    name: 'metadata: a state that is not that of the log is taken over',
    file: 'src/metadata/replica.ts',
    find: 'else if (!entry.hash.equals(this.#applied.hash)) {',
    replace: 'else if (entry.hash.length !== this.#applied.hash.length) {',
    tests: ['src/metadata/replica.test.ts'],
  },
  {
    name: 'metadata: replay does not compare digests',
    file: 'src/metadata/replica.ts',
    find: 'if (!effect.digest.equals(this.#replica.applied.digest)) {',
    replace: 'if (effect.digest.length !== 16) {',
    tests: ['src/metadata/replica.test.ts'],
  },
  {
    name: 'metadata: the log is trimmed ahead of the checkpoint',
    file: 'src/metadata/checkpoints.ts',
    find: 'await this.#kv.checkpoint();\n      this.#covered = position;',
    replace: 'await this.#log.trim(position);\n      await this.#kv.checkpoint();\n      this.#covered = position;',
    tests: ['src/metadata/replica.test.ts'],
  },
  {
    name: 'metadata: If-Match is passed over',
    file: 'src/metadata/machine/guards.ts',
    find: "if (!namesEtag(guard.ifMatch, etagText(current.etag, current.etagParts), false)) failed('If-Match');",
    replace: '',
    tests: ['src/metadata/model.test.ts'],
    pattern: 'is that of a plain model',
  },
  {
    name: 'metadata: stripes of an intent that was given up are published',
    file: 'src/metadata/machine/deciding.ts',
    find: "if (intentEvents[state].publish === 'refuse') {",
    replace: "if (intentEvents[state].publish === 'refuse' && prefix.length === 0) {",
    tests: ['src/metadata/replica.test.ts'],
  },
  {
    name: 'metadata: the stripes of a replaced part are forgotten',
    file: 'src/metadata/machine/apply.ts',
    find: 'if (old) app.displace(old);',
    replace: '',
    tests: ['src/metadata/model.test.ts'],
    pattern: 'accounts for the parts of uploads',
  },
  {
    name: 'metadata: bytes become garbage twice',
    file: 'src/metadata/machine/manifests.ts',
    find: 'this.discard(id, 0, 1);\n      return;',
    replace: 'this.discard(id, 0, 1);',
    tests: ['src/metadata/machine/manifests.test.ts'],
  },
  {
    name: 'metadata: bytes become garbage while a copy holds them',
    file: 'src/metadata/machine/manifests.ts',
    find: 'if (longest.pieces < pieces) this.discard(manifest, longest.pieces, pieces);',
    replace: 'this.discard(manifest, 0, pieces);',
    tests: ['src/metadata/machine/manifests.test.ts'],
  },
  {
    name: 'codec: the length in a record is trusted',
    file: 'src/codec/bytes.ts',
    find: 'if (bytes > this.#buffer.length - at)',
    replace: 'if (bytes < 0)',
    tests: ['src/codec/bytes.test.ts'],
  },
];

export const objectPlants: readonly Plant[] = [
  {
    name: 'objects: the digests of a body are not compared before it is published',
    file: 'src/objects/intake.ts',
    find: 'checkDigests(this.#plan.expected, digests);\n    return digests;',
    replace: 'return digests;',
    tests: ['src/objects/intake.test.ts'],
  },
  {
    name: 'objects: a body that is too short is taken',
    file: 'src/objects/intake.ts',
    find: 'async finish(): Promise<Piece> {\n    checkEnd(this.#size, this.#announced);',
    replace: 'async finish(): Promise<Piece> {',
    tests: ['src/objects/intake.test.ts'],
  },
  {
    name: 'objects: frames are numbered anew in each stripe when they are opened',
    file: 'src/objects/outlet.ts',
    find: 'run.firstFrame + frame, stored, length',
    replace: 'frame, stored, length',
    tests: ['src/objects/outlet.test.ts'],
  },
  {
    name: 'objects: a slice begins one byte late',
    file: 'src/objects/outlet.ts',
    find: 'const start = Math.max(0, this.#slice.start - offset);',
    replace: 'const start = Math.max(0, this.#slice.start - offset + (this.#slice.start > offset ? 1 : 0));',
    tests: ['src/objects/outlet.test.ts'],
  },
  {
    name: 'objects: bytes of a write whose outcome is unknown are removed',
    file: 'src/objects/publish.ts',
    find: "&& (error.http < 500 || error.code === 'SlowDown')",
    replace: '',
    tests: ['src/objects/service.test.ts'],
  },
  {
    name: 'objects: a read holds nothing back from the collector',
    file: 'src/objects/outlet.ts',
    find: 'const lease = this.#horizon.enter(this.#found.position);',
    replace: 'const lease = { position: this.#found.position };',
    tests: ['src/objects/outlet.test.ts'],
  },
  {
    name: 'objects: a listing goes on behind all keys that begin with the last one',
    file: 'src/objects/listing.ts',
    find: 'return Buffer.concat([key, zero]);',
    replace: 'return behindPrefix(key) ?? Buffer.concat([key, zero]);',
    tests: ['src/objects/listing.test.ts'],
  },
];
