import type { Plant } from './plant.ts';

/* Bugs where requests come in: signatures, framing, ciphers, documents. */

export const accessPlants: readonly Plant[] = [
  {
    name: 'access: an x-amz header need not be signed',
    file: 'src/access/canonical.ts',
    find: "if (missing === '') return;",
    replace: 'if (missing !== undefined) return;',
    tests: ['src/access/presigned.test.ts'],
  },
  {
    name: 'access: presigned URLs never expire',
    file: 'src/access/authenticator.ts',
    find: 'if (nowMs <= endMs) return;',
    replace: 'if (nowMs <= Number.MAX_SAFE_INTEGER) return;',
    tests: ['src/access/presigned.test.ts'],
  },
  {
    name: 'access: the time of a request is not looked at',
    file: 'src/access/authenticator.ts',
    find: 'if (Math.abs(skew) <= limits.clockSkewMs) return;',
    replace: 'if (Math.abs(skew) <= Number.MAX_SAFE_INTEGER) return;',
    tests: ['src/access/header.test.ts'],
  },
  {
    name: 'access: the first digit of a signature does not count',
    file: 'src/access/signature.ts',
    find: 'timingSafeEqual(expectedText, claimedText)',
    replace: 'timingSafeEqual(expectedText.subarray(1), claimedText.subarray(1))',
    tests: ['src/access/header.test.ts'],
  },
  {
    name: 'access: a signature is not looked at where its scope was read before',
    file: 'src/access/claim.ts',
    find: 'if (!signatureForm.test(signature)) throw headerFails(',
    replace: 'if (known === undefined && !signatureForm.test(signature)) throw headerFails(',
    tests: ['src/access/header.test.ts'],
  },
  {
    name: 'access: chunks are not held to their signatures',
    file: 'src/access/chunks.ts',
    find: 'if (!sameSignature(expected, this.#claimed)) {',
    replace: 'if (this.#claimed.length !== 64) {',
    tests: ['src/access/payload.test.ts'],
  },
  {
    name: 'access: the end of a signed body needs no signature',
    file: 'src/access/chunks.ts',
    find: 'this.#verify(sha256OfNothing);',
    replace: '',
    tests: ['src/access/payload.test.ts'],
  },
  {
    name: 'access: the size of a chunk is trusted',
    file: 'src/access/chunks.ts',
    find: 'if (size > this.#rest || (size === 0 && this.#rest > 0)) {',
    replace: 'if (size < 0) {',
    tests: ['src/access/payload.test.ts'],
  },
  {
    name: 'access: an escaped slash ends the name of the bucket, or does not',
    file: 'src/access/target.ts',
    find: "if (name.includes('/'))",
    replace: "if (name === '/')",
    tests: ['src/access/target.test.ts'],
  },
  {
    name: 'access: a key reaches every bucket',
    file: 'src/access/identity.ts',
    find: 'unlimited: key.buckets.length === 0 && (key.role',
    replace: 'unlimited: (key.role',
    tests: ['src/api/s3/scopes.test.ts', 'src/api/s3/access.test.ts'],
  },
  {
    name: 'access: what nobody allows is allowed',
    file: 'src/access/authorize.ts',
    find: '  ).allowed;',
    replace: "  ).reason !== 'explicit-deny';",
    tests: ['src/api/s3/scopes.test.ts'],
  },
  {
    name: 'access: the root of any account administers the server',
    file: 'src/api/s3/authorization.ts',
    find: '{ account: firstAccount, policy: undefined }',
    replace: '{ account: undefined, policy: undefined }',
    tests: ['src/api/s3/authorization.test.ts'],
  },
  {
    name: 's3: the source of a copy is not asked',
    file: 'src/api/s3/facts.ts',
    find: 'source: copies ? (sourceOf(call) ?? target) : undefined,',
    replace: 'source: copies ? target : undefined,',
    tests: ['src/api/s3/access.test.ts'],
  },
];

export const keyPlants: readonly Plant[] = [
  {
    name: "keys: another store's keyring is taken",
    file: 'src/keys/keyring.ts',
    find: 'if (content && expected !== undefined) checkFingerprint(content, expected);',
    replace: '',
    tests: ['src/keys/keyring.test.ts', 'src/daemon/identity.test.ts'],
  },
  {
    name: 'keys: every frame has the same nonce',
    file: 'src/keys/frames.ts',
    find: 'nonce.writeUInt32BE(index, saltBytes);',
    replace: '',
    tests: ['src/keys/frames.test.ts'],
  },
  {
    name: 'keys: a frame can be cut short',
    file: 'src/keys/frames.ts',
    find: 'associated.writeUInt32BE(plainLength, domain.length + 4);',
    replace: '',
    tests: ['src/keys/frames.test.ts'],
  },
];

export const apiPlants: readonly Plant[] = [
  {
    name: 'api: of the requests of one turn, each is handled for itself',
    file: 'src/api/http/cohort.ts',
    find: 'this.#gathering ??= new Promise',
    replace: 'this.#gathering = new Promise',
    tests: ['src/api/http/cohort.test.ts'],
  },
  {
    name: 'api: a connection that breaks ends the body well',
    file: 'src/api/http/body.ts',
    find: "if (!this.#ended) this.#fail(new StoreError('IncompleteBody'));",
    replace: 'this.#ended = true;\n      this.#settle({ value: undefined, done: true });',
    tests: ['src/api/s3/attack.test.ts'],
    pattern: 'whose sender vanishes abort the upload',
  },
  {
    name: 'api: a range ends one byte early',
    file: 'src/api/http/ranges.ts',
    find: 'return { start, end: Math.min(last, size - 1) + 1 };',
    replace: 'return { start, end: Math.max(start + 1, Math.min(last, size - 1)) };',
    tests: ['src/api/http/ranges.test.ts'],
  },
  {
    name: 'api: documents may declare their type',
    file: 'src/api/s3/xml/parser.ts',
    find: "} else throw malformed('Document type declarations are not allowed.');",
    replace:
      "} else {\n      const end = source.indexOf('>', this.#at);\n      if (end < 0) throw malformed();\n      this.#at = end + 1;\n    }",
    tests: ['src/api/s3/xml/xml.test.ts'],
  },
  {
    name: 'api: documents may be nested without end',
    file: 'src/api/s3/xml/parser.ts',
    find: 'if (this.#open.length >= limits.xmlDepth)',
    replace: 'if (this.#open.length < 0)',
    tests: ['src/api/s3/xml/xml.test.ts'],
  },
  {
    name: 'api: the second of two hosts counts',
    file: 'src/api/s3/screen.ts',
    find: 'if (seen?.includes(lower))',
    replace: 'if (seen === null)',
    tests: ['src/api/s3/attack.test.ts'],
    pattern: 'a header that decides who asks must be single',
  },
  {
    name: 'api: an answer that nobody reads holds its connection for ever',
    file: 'src/api/http/stalled.ts',
    find: 'if (!works) socket.destroy();',
    replace: 'if (!works) return;',
    tests: ['src/api/s3/stalls.test.ts'],
    pattern: 'that nobody reads',
  },
  {
    name: 'api: pages of every origin are let in once one is',
    file: 'src/api/http/cors.ts',
    find: "const every = allowed.has('*');",
    replace: 'const every = allowed.size > 0;',
    tests: ['src/api/http/cors.test.ts'],
  },
  {
    name: 'api: a last page of parts says where to go on',
    file: 'src/api/s3/operations/list-parts.ts',
    find: 'page.truncated ? (page.items.at(-1)?.number ?? after) : undefined',
    replace: 'page.items.at(-1)?.number ?? after',
    tests: ['src/api/s3/multipart.test.ts'],
  },
];
