import type { Plant } from './plant.ts';

/* Bugs in what keeps fragments and copies of them. */

export const fragmentPlants: readonly Plant[] = [
  {
    name: 'fragments: freed space is given out before its removal is durable',
    file: 'src/fragments/owner.ts',
    find: 'this.#space.reserve(extent);\n      this.#pending.push(extent);',
    replace: '',
    tests: ['src/fragments/owner.test.ts'],
  },
  {
    name: 'fragments: a window is used before it is listed durably',
    file: 'src/fragments/owner.ts',
    find: 'await this.#listed.save();\n    } catch (error) {\n      // It may',
    replace: 'void this.#listed.save().catch(() => {});\n    } catch (error) {\n      // It may',
    tests: ['src/fragments/owner.test.ts'],
  },
  {
    name: 'fragments: a window leaves the list before a checkpoint covers it',
    file: 'src/fragments/owner.ts',
    find: 'try {\n      await this.#kv.checkpoint();',
    replace:
      'if (closed.length > 0) await this.#forget(closed.splice(0));\n    try {\n      await this.#kv.checkpoint();',
    tests: ['src/fragments/owner.test.ts'],
  },
  {
    name: 'fragments: a fragment is recorded before it is synced',
    file: 'src/fragments/writer.ts',
    find: 'await this.#device.sync(this.#address);\n      this.#handedIn = true;',
    replace: 'this.#handedIn = true;',
    tests: ['src/fragments/crash.test.ts'],
  },
  {
    name: 'fragments: a header that was given up stays on the device',
    file: 'src/fragments/writer.ts',
    find: '(this.#marked && !(await this.#unmark()))',
    replace: '(this.#marked && this.#length < 0)',
    tests: ['src/fragments/recovery.test.ts', 'src/fragments/crash.test.ts'],
  },
  {
    name: 'fragments: recovery takes headers of any window',
    file: 'src/fragments/header.ts',
    find: '|| block.compare(nonce, 0, 8, 8, 16) !== 0',
    replace: '|| nonce.length !== 8',
    tests: ['src/fragments/crash.test.ts'],
  },
  {
    name: 'fragments: recovery brings back what was removed',
    file: 'src/fragments/recovery.ts',
    find: 'dead.has(record.extent.address) || ',
    replace: '',
    tests: ['src/fragments/crash.test.ts'],
  },
  {
    name: 'fragments: recovery does not look at the data behind a header',
    file: 'src/fragments/walk.ts',
    find: '|| crc32c(bytes) !== checksum',
    replace: '|| checksum < 0',
    tests: ['src/fragments/crash.test.ts'],
  },
  {
    name: 'fragments: a read does not compare checksums',
    file: 'src/fragments/store.ts',
    find: 'if (crc32c(bytes.subarray(at, Math.min(bytes.length, at + checksumBytes))) !== checksums.readUInt32LE(4 * block))',
    replace: 'if (checksums.length < 4 * block)',
    tests: ['src/fragments/damage.test.ts', 'src/fragments/store.test.ts'],
  },
  {
    name: 'fragments: a damaged row of the index is believed',
    file: 'src/fragments/rows.ts',
    find: '|| value.readUInt32LE(end) !== crc32c(value.subarray(0, end), crc32c(key))',
    replace: '|| key.length === 0',
    tests: ['src/fragments/damage.test.ts'],
  },
];

export const durabilityPlants: readonly Plant[] = [
  {
    name: 'durability: one copy of two is enough to acknowledge',
    file: 'src/durability/writer.ts',
    find: '(copies <= 2 ? copies : copies - 1)',
    replace: '(copies <= 2 ? 1 : copies - 1)',
    tests: ['src/durability/store.test.ts'],
  },
  {
    name: 'durability: a stripe counts as sealed before its copies do',
    file: 'src/durability/writer.ts',
    find: 'await this.#onAll((copy) => copy.seal());',
    replace: 'void this.#onAll((copy) => copy.seal()).catch(() => {});',
    tests: ['src/durability/store.test.ts'],
  },
  {
    name: 'durability: the collector frees what an open read needs',
    file: 'src/durability/jobs/collector.ts',
    find: 'oldest === undefined ? rows : rows.filter((row) => row.position <= oldest)',
    replace: 'oldest === undefined ? rows : rows.filter((row) => row.position > 0)',
    tests: ['src/durability/jobs/collector.test.ts'],
  },
  {
    name: 'durability: the log says collected before the removal is durable',
    file: 'src/durability/jobs/collector.ts',
    find: 'if (!(await freeing.flush())) {',
    replace: 'if (rows.length < 0) {',
    tests: ['src/durability/jobs/collector.test.ts'],
  },
  {
    name: 'durability: published stripes of a closed intent are collected',
    file: 'src/durability/jobs/collector.ts',
    find: 'under.filter((id) => !reader.stripeOwner(stripeOf(id)))',
    replace: 'under.filter((id) => reader && stripeOf(id))',
    tests: ['src/durability/jobs/collector.test.ts'],
  },
  {
    name: 'durability: a copy is repaired from one that is as bad',
    file: 'src/durability/repair.ts',
    find: 'if (bytes && !(bad && bytes.equals(bad))) return bytes;',
    replace: 'if (bytes && (!bad || bytes.length > 0)) return bytes;',
    tests: ['src/durability/read.test.ts', 'src/durability/store.test.ts'],
  },
  {
    name: 'durability: a repair brings back what was collected meanwhile',
    file: 'src/durability/repair.ts',
    find: 'if (options.owned(stripe)) return true;',
    replace: 'if (stripe) return true;',
    tests: ['src/durability/read.test.ts', 'src/durability/store.test.ts'],
  },
];
