import type { Plant } from './plant.ts';

/* Bugs in who is told of what happens, and in what is written of requests. */

const follower = 'src/notifications/follower.test.ts';
const notices = 'src/metadata/notices.test.ts';
const form = 'src/api/s3/notification.test.ts';
const accessLog = 'src/api/s3/access-log.test.ts';
const inventory = 'src/api/s3/inventory.test.ts';

export const notificationPlants: readonly Plant[] = [
  {
    name: 'notifications: a position covers what a target has not taken',
    file: 'src/notifications/follower.ts',
    find: 'return this.#unfinished[0]?.position ?? this.#read;',
    replace: 'return this.#read;',
    tests: [follower],
    pattern: 'waits for a target|after a crash',
  },
  {
    name: 'notifications: events of one key are under way at the same time',
    file: 'src/notifications/follower.ts',
    find: 'const before = this.#lanes.get(name) ?? Promise.resolve();',
    replace: 'const before = Promise.resolve();',
    tests: [follower],
    pattern: 'in the order of its key',
  },
  {
    name: 'notifications: what the log had to cut is passed over in silence',
    file: 'src/notifications/follower.ts',
    find: 'if (known < tail) await this.#tellLost(known, tail);',
    replace: '',
    tests: [follower],
    pattern: 'never nothing',
  },
  {
    name: 'notifications: a new target is told what was told to another one',
    file: 'src/notifications/follower.ts',
    find: 'event.notice.timeMs >= createdMs - limits.noticeSkewMs &&',
    replace: '',
    tests: [follower],
    pattern: 'begins anew',
  },
  {
    name: 'notifications: a new target has no position until something was delivered',
    file: 'src/notifications/follower.ts',
    find: "await shard.propose({ type: 'follower.advance', name, position });\n      return position;",
    replace: 'return position;',
    tests: [follower],
    pattern: 'never nothing',
  },
  {
    name: 'notifications: there is no end to what is read ahead',
    file: 'src/notifications/follower.ts',
    find: 'while (this.#waiting >= limits.noticesAhead && !this.#stop.signal.aborted)',
    replace: 'while (this.#waiting >= 100 * limits.noticesAhead && !this.#stop.signal.aborted)',
    tests: [follower],
    pattern: 'another target',
  },
  {
    name: 'metadata: a marker is told of as a removal',
    file: 'src/metadata/machine/notices.ts',
    find: "const kind = version === undefined ? 'removal' : version.kind;",
    replace: "const kind = version?.kind === 'object' ? 'object' : 'removal';",
    tests: [notices],
    pattern: 'event that came about',
  },
  {
    name: 'metadata: notices are written before every node knows them',
    file: 'src/metadata/machine/notices.ts',
    find: "if (!stamp.alone && !view.has('notifications')) return decision;",
    replace: '',
    tests: [notices],
    pattern: 'refuses no change',
  },
  {
    name: 'metadata: the position of a follower goes back',
    file: 'src/metadata/machine/notices.ts',
    find: 'if (before !== undefined && before >= position) return done();',
    replace: 'if (before !== undefined && before === position) return done();',
    tests: [notices],
    pattern: 'never goes back',
  },
  {
    name: 'api: rules of notifications overlap when only their prefixes do',
    file: 'src/api/s3/configurations/notification.ts',
    find: '&& (as.endsWith(bs) || bs.endsWith(as)))',
    replace: '&& as === bs)',
    tests: [form],
    pattern: 'never has two rules|as AWS refuses',
  },
  {
    name: 'api: a configuration is kept whose target takes no event',
    file: 'src/api/s3/operations/put-bucket-notification-configuration.ts',
    find: 'if (failed && rule)',
    replace: 'if (failed && !rule)',
    tests: [form],
    pattern: 'test event',
  },
  {
    name: 'access log: what a client writes ends the line',
    file: 'src/api/s3/access-record.ts',
    find: 'const visible = /^[\\x21\\x23-\\x7e]$/;',
    replace: 'const visible = /^[^ "]$/;',
    tests: [accessLog],
    pattern: 'whatever a client writes',
  },
  {
    name: 'access log: refused requests are not noted',
    file: 'src/api/s3/access-log.ts',
    find: 'if (note) note.errorCode = code;',
    replace: 'if (note) this.#noted.delete(exchange);',
    tests: [accessLog],
    pattern: 'what was refused',
  },
  {
    name: 'access log: there is no end to the lines that a thread holds',
    file: 'src/api/s3/access-delivery.ts',
    find: 'if (this.#bytes + bytes > limits.accessLogBytes)',
    replace: 'if (bytes > limits.accessLogBytes)',
    tests: [accessLog],
    pattern: 'are bounded',
  },
  {
    name: 'inventory: what a crash left counts as written',
    file: 'src/api/s3/inventory/report.ts',
    find: 'if (whole.items.length > 0) last = time;',
    replace: 'last = time;',
    tests: [inventory],
    pattern: 'only when it is whole',
  },
  {
    name: 'inventory: a page begins with the last key of the one before',
    file: 'src/api/s3/inventory/report.ts',
    find: 'versionMarker: this.#last && versionIdText(this.#last.record),',
    replace: 'from: this.#last?.key ?? none, versionMarker: undefined,',
    tests: [inventory],
    pattern: 'once over many pages',
  },
  {
    name: 'inventory: current objects come with those that are deleted',
    file: 'src/api/s3/inventory/report.ts',
    find: "listed.filter(({ isLatest, record }) => isLatest && record.kind === 'object');",
    replace: 'listed.filter(({ isLatest }) => isLatest);',
    tests: [inventory],
    pattern: 'current objects only',
  },
];
