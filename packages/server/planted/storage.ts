import type { Plant } from './plant.ts';

/* Bugs below the state: the key-value store, the log, the devices. */

export const kvPlants: readonly Plant[] = [
  {
    name: 'kv: the count of commits stands still',
    file: 'src/kv/owner.ts',
    find: 'Atomics.add(this.commits, 0, 1);',
    replace: 'Atomics.add(this.commits, 0, 0);',
    tests: ['src/kv/lmdb.test.ts'],
  },
  {
    name: 'kv: a checkpoint does not sync its data',
    file: 'src/kv/owner.ts',
    find: 'await fdatasync(this.#file);',
    replace: '',
    tests: ['src/kv/sync.test.ts'],
  },
  {
    name: 'kv: the side file gets its name before it is durable',
    file: 'src/kv/checkpoint.ts',
    find: 'await file.sync();',
    replace: '',
    tests: ['src/kv/sync.test.ts'],
  },
  {
    name: 'kv: the name of the side file is not made durable',
    file: 'src/kv/checkpoint.ts',
    find: 'await handle.sync();',
    replace: '',
    tests: ['src/kv/sync.test.ts'],
  },
  {
    name: 'kv: a failed sync is tried again as if nothing were lost',
    file: 'src/kv/owner.ts',
    find: "throw this.#fail('could not make a checkpoint', error);",
    replace:
      "const failure = this.#fail('could not make a checkpoint', error);\n      this.#failure = undefined;\n      throw failure;",
    tests: ['src/kv/sync.test.ts'],
  },
  {
    name: 'kv: opens at whatever meta page looks newest',
    file: 'src/kv/checkpoint.ts',
    find: 'await file.write(metas.bytes, 0, metaBytes, 0);',
    replace: '',
    tests: ['src/kv/crash.test.ts'],
  },
  {
    name: 'kv: the pages of a checkpoint are let go of too early',
    file: 'src/kv/owner.ts',
    find: 'this.#held?.done();\n    this.#held = held;',
    replace: 'this.#held?.done();\n    this.#held = undefined;\n    held.done();',
    tests: ['src/kv/crash.test.ts'],
  },
  {
    name: 'kv: a checkpoint names commits that came during its sync',
    file: 'src/kv/owner.ts',
    find: 'const metas = parseMetas(bytes.subarray(0, got));\n      await fdatasync(this.#file);',
    replace:
      'await fdatasync(this.#file);\n      const metas = parseMetas(bytes.subarray(0, fs.readSync(this.#file, bytes, 0, got, 0)));',
    tests: ['src/kv/crash.test.ts'],
  },
  {
    name: 'kv: another thread reads an old state',
    file: 'src/kv/view.ts',
    find: 'this.#renew();\n    return this.at(key, undefined);',
    replace: 'return this.at(key, undefined);',
    tests: ['src/kv/reader.test.ts'],
  },
];

export const logPlants: readonly Plant[] = [
  {
    name: 'log: a mirror that fails is not written down before the other acknowledges',
    file: 'src/device/mirrored/volume.ts',
    find: 'await this.#told;',
    replace: 'this.#told?.catch(() => {});',
    tests: ['src/log/embedded/mirrored.test.ts'],
  },
  {
    name: 'log: the longer copy counts, whatever went on alone',
    file: 'src/log/embedded/newest.ts',
    find: 'marked.length > 0 ? marked : sound',
    replace: 'sound',
    tests: ['src/log/embedded/mirrored.test.ts'],
  },
  {
    name: 'log: a copy that was left behind counts as the log',
    file: 'src/log/embedded/newest.ts',
    find: 'log.tail !== undefined && !log.behind',
    replace: 'log.tail !== undefined',
    tests: ['src/log/embedded/mirrored.test.ts'],
  },
  {
    name: 'log: two copies that went separate ways are made equal',
    file: 'src/log/embedded/newest.ts',
    find: 'if (log !== newest) await checkContained(log, newest);',
    replace: '',
    tests: ['src/log/embedded/mirrored.test.ts'],
  },
  {
    name: 'log: a copy that is being overwritten is not marked',
    file: 'src/log/embedded/refresh.ts',
    find: "await setMark(volume, 'behind');",
    replace: '',
    tests: ['src/log/embedded/mirrored.test.ts'],
  },
  {
    name: 'log: an append is not synced',
    file: 'src/log/embedded/log.ts',
    find: 'await segment.file.sync();\n    this.#headOffset',
    replace: 'this.#headOffset',
    tests: ['src/log/embedded/crash.test.ts'],
  },
  {
    name: 'log: an append is acknowledged while its sync runs',
    file: 'src/log/embedded/log.ts',
    find: 'await segment.file.sync();\n    this.#headOffset',
    replace: 'segment.file.sync().catch(() => {});\n    this.#headOffset',
    tests: ['src/log/embedded/crash.test.ts', 'src/log/embedded/faults.test.ts'],
  },
  {
    name: 'log: a segment begins before its name is durable',
    file: 'src/log/embedded/store.ts',
    find: 'await this.#volume.rename(spare, name);\n    await this.#volume.syncDirectory();',
    replace: 'await this.#volume.rename(spare, name);',
    tests: ['src/log/embedded/crash.test.ts'],
  },
  {
    name: 'log: trimmed segments vanish in any order',
    file: 'src/log/embedded/store.ts',
    find: 'await this.#volume.remove(segment.name);\n      await this.#volume.syncDirectory();',
    replace: 'await this.#volume.remove(segment.name);',
    tests: ['src/log/embedded/crash.test.ts'],
  },
  {
    name: 'log: the checksum of a record is not compared',
    file: 'src/log/record.ts',
    find: 'return record.readUInt32LE(0) === crc32c(record.subarray(4), seed);',
    replace: 'return record.length > 0 || seed > 0;',
    tests: ['src/log/embedded/damage.test.ts'],
  },
  {
    name: 'log: a record need not follow the one before it',
    file: 'src/log/embedded/records.ts',
    find: 'if (!follows(this.#chunk, at, previous))',
    replace: 'if (!follows(this.#chunk, at, previous) && position < 0)',
    tests: ['src/log/embedded/crash.test.ts'],
    pattern: 'takes no entry of a tail that was cut',
  },
  {
    name: 'log: an acknowledged entry that went bad is cut off as a torn tail',
    file: 'src/log/embedded/recovery.ts',
    find: 'if (proof) {',
    replace: 'if (proof && epoch < 0) {',
    tests: ['src/log/embedded/damage.test.ts'],
  },
  {
    name: 'log: an open goes on in the epoch of the run before',
    file: 'src/log/embedded/open.ts',
    find: 'epoch: tail.epoch + 1,',
    replace: 'epoch: tail.epoch,',
    tests: ['src/log/embedded/log.test.ts'],
  },
  {
    name: 'log: a segment is used again while it is read',
    file: 'src/log/embedded/store.ts',
    find: 'const reuse = !segment.busy && ',
    replace: 'const reuse = ',
    tests: ['src/log/embedded/faults.test.ts'],
  },
];

export const devicePlants: readonly Plant[] = [
  {
    name: 'device: a sync counts for writes that came during it',
    file: 'src/device/group.ts',
    find: 'this.#next ??= this.#start();\n    return this.#next;',
    replace: 'if (this.#running) return this.#running;\n    this.#next ??= this.#start();\n    return this.#next;',
    tests: ['src/device/device.test.ts'],
  },
  {
    name: 'device: the name of a new slab is not made durable',
    file: 'src/device/device.ts',
    find: 'await slab.named(this.#volume);',
    replace: '',
    tests: ['src/device/device.test.ts'],
  },
  {
    name: 'device: a slab may be closed with bytes that no sync covers',
    file: 'src/device/device.ts',
    find: 'slab.dirty = true;',
    replace: '',
    tests: ['src/device/device.test.ts'],
  },
  {
    name: 'device: works on after a failed sync',
    file: 'src/device/device.ts',
    find: "this.#health = 'stopped';",
    replace: '',
    tests: ['src/device/device.test.ts'],
  },
  {
    name: 'start: a device that is back is forgotten before it was looked through',
    file: 'src/daemon/returned.ts',
    find: 'if (store) removed += await',
    replace: 'if (store && missing.length > 0) removed += await',
    tests: ['src/daemon/returned.test.ts'],
  },
];
