import type { Plant } from './plant.ts';

/* Bugs that give an object with a key of its customer to who has not that key, or keep the key. */

const s3 = 'src/api/s3/customer-keys.test.ts';

export const customerPlants: readonly Plant[] = [
  {
    name: 'customers: an object is given from the cache to who has not its key',
    file: 'src/objects/read.ts',
    find: 'if (customerKey || found.version.encryption) this.#key = objectKeyOf(key, found.version, customerKey);',
    replace: 'if (customerKey) this.#key = objectKeyOf(key, found.version, customerKey);',
    tests: [s3],
    pattern: 'is read with that key',
  },
  {
    name: 'customers: parts of an upload take any key',
    file: 'src/objects/uploads.ts',
    find: 'key: await partKeyOf(rooms, await bucketKey(rooms, bucket), upload, target.customerKey),',
    replace:
      'key: (upload.encryption && target.customerKey ? (await bucketKey(rooms, bucket)).newObjectKey().key : await partKeyOf(rooms, await bucketKey(rooms, bucket), upload, target.customerKey)),',
    tests: [s3],
    pattern: 'takes parts with that key only',
  },
  {
    name: 'customers: a copy says nothing of the key that it has',
    file: 'src/objects/copy.ts',
    find: '    ...draftFrom(version, wrapped),\n    ...request.lock,\n    ...said,\n',
    replace: '    ...draftFrom(version, wrapped),\n    ...request.lock,\n',
    tests: [s3],
    pattern: 'from . to .',
  },
  {
    name: 'customers: a damaged key is taken for another one',
    file: 'src/api/s3/customer-keys.ts',
    find: "if (given.toString('base64') !== md5 || given.length !== digest.length || !timingSafeEqual(given, digest))",
    replace: 'if (given.length === 0 && digest.length === 0 && timingSafeEqual(given, digest))',
    tests: [s3],
    pattern: 'says it wrong',
  },
  {
    name: 'customers: the key of the bucket alone opens their objects',
    file: 'src/objects/encryption.ts',
    find: 'customerKey ? bucketKey.withCustomerKey(customerKey) : bucketKey;',
    replace: 'customerKey ? bucketKey : bucketKey;',
    tests: [s3],
    pattern: 'is read with that key',
  },
];
