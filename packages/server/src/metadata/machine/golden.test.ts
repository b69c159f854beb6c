import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeApplied, encodeApplied } from '../applied.ts';
import { decodeOutcome, encodeOutcome } from '../outcomes.ts';
import { decodeDevice, decodeNode, encodeDevice, encodeNode } from './cluster.ts';
import { decodeConfiguration, encodeConfiguration } from './configurations.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import {
  account,
  assembled,
  at,
  bucket,
  clusterEffects,
  codedBucket,
  codedGroup,
  configurationEffects,
  copiesGroup,
  countsWithParts,
  customersObject,
  device,
  effects,
  grantedObject,
  grownBucket,
  hybridBucket,
  identities,
  identity,
  identityEffects,
  inline,
  keptObject,
  keptUpload,
  key,
  kmsEffects,
  kmsObject,
  lockEffects,
  lockedObject,
  lockedUpload,
  marker,
  memberEffects,
  memoEffects,
  node,
  noticed,
  notificationEffects,
  object,
  quotaEffects,
  run,
  sealedBucket,
  shardedBucket,
  shardedEffects,
  sourceEffects,
  striped,
  swapEffects,
  upload,
  usage,
  userKey,
} from './golden.support.ts';
import { decodeAccount, decodeIdentity, encodeAccount, encodeIdentity } from './identities.ts';
import { keys } from './keys.ts';
import { decodeNotice, encodeNotice } from './notices.ts';
import { decodePieceRow, encodePieceRow } from './pieces.ts';
import { decodeUsage, encodeSubject, encodeUsage } from './quotas.ts';
import * as rows from './rows.ts';
import { decodeVersion, encodeVersion } from './versions.ts';

/*
 * Bytes of format 1 as they were first written. Stores that exist hold such bytes: a line that does not match any more is a broken
 * store, never a test to be brought up to date. A new format adds lines of its own.
 */

/** Of records that have had two formats: the second is used only for what the first cannot say. */
const writtenSecond: typeof written = {
  counts: [() => rows.encodeCounts(countsWithParts), rows.decodeCounts, countsWithParts],
  group: [() => rows.encodeGroup(codedGroup), rows.decodeGroup, codedGroup],
  bucket: [() => rows.encodeBucket(codedBucket), rows.decodeBucket, codedBucket],
  upload: [() => rows.encodeUpload(keptUpload), rows.decodeUpload, keptUpload],
  object: [() => encodeVersion(keptObject, false), decodeVersion, keptObject],
  grantedObject: [() => encodeVersion(grantedObject, false), decodeVersion, grantedObject],
  lockedObject: [() => encodeVersion(lockedObject, false), decodeVersion, lockedObject],
  kmsObject: [() => encodeVersion(kmsObject, false), decodeVersion, kmsObject],
  kmsEntry: [() => encodeEntry(kmsEffects), decodeEntry, kmsEffects],
  memoEntry: [() => encodeEntry(memoEffects), decodeEntry, memoEffects],
  customersObject: [() => encodeVersion(customersObject, false), decodeVersion, customersObject],
  lockEntry: [() => encodeEntry(lockEffects), decodeEntry, lockEffects],
  sourceEntry: [() => encodeEntry(sourceEffects), decodeEntry, sourceEffects],
  lockedUpload: [() => rows.encodeUpload(lockedUpload), rows.decodeUpload, lockedUpload],
  hybridBucket: [() => rows.encodeBucket(hybridBucket), rows.decodeBucket, hybridBucket],
  grownBucket: [() => rows.encodeBucketShards(grownBucket), rows.decodeBucketShards, grownBucket],
  accessKey: [() => rows.encodeAccessKey(userKey), rows.decodeAccessKey, userKey],
  swapEntry: [() => encodeEntry(swapEffects), decodeEntry, swapEffects],
};

const written: Record<string, [bytes: () => Buffer, again: (bytes: Buffer) => unknown, value: unknown]> = {
  account: [() => encodeAccount(account), decodeAccount, account],
  ...Object.fromEntries(
    identities.map((one) => [
      `${one.kind}OfAccount`,
      [() => encodeIdentity(one), decodeIdentity, one] as (typeof written)[string],
    ]),
  ),
  identityEntry: [() => encodeEntry(identityEffects), decodeEntry, identityEffects],
  object: [() => encodeVersion(object, false), decodeVersion, object],
  assembled: [() => encodeVersion(assembled, true), decodeVersion, assembled],
  marker: [() => encodeVersion(marker, true), decodeVersion, marker],
  piece: [
    () => encodePieceRow({ kind: 'piece', modifiedMs: 5, start: 1000, piece: striped }),
    decodePieceRow,
    { kind: 'piece', modifiedMs: 5, start: 1000, piece: striped },
  ],
  link: [
    () => encodePieceRow({ kind: 'link', manifest: run(16, 0), pieces: 4 }),
    decodePieceRow,
    { kind: 'link', manifest: run(16, 0), pieces: 4 },
  ],
  bucket: [() => rows.encodeBucket(bucket), rows.decodeBucket, bucket],
  counts: [
    () => rows.encodeCounts({ objects: 1, versions: 2, uploads: 3, bytes: 2 ** 40, partBytes: 0 }),
    rows.decodeCounts,
    { objects: 1, versions: 2, uploads: 3, bytes: 2 ** 40, partBytes: 0 },
  ],
  upload: [() => rows.encodeUpload(upload), rows.decodeUpload, upload],
  accessKey: [() => rows.encodeAccessKey(key), rows.decodeAccessKey, key],
  group: [() => rows.encodeGroup(copiesGroup), rows.decodeGroup, copiesGroup],
  garbage: [
    () => rows.encodeGarbage({ manifest: run(16, 0), first: 1, end: 9 }),
    rows.decodeGarbage,
    { manifest: run(16, 0), first: 1, end: 9 },
  ],
  stripe: [
    () => rows.encodeStripe({ manifest: run(16, 0), group: 300, ...at }),
    rows.decodeStripe,
    { manifest: run(16, 0), group: 300, ...at },
  ],
  place: [() => rows.encodePlace(7, Buffer.from('k')), rows.decodePlace, at],
  number: [() => rows.encodeNumber(2 ** 40 + 3), rows.decodeNumber, 2 ** 40 + 3],
  applied: [
    () => encodeApplied({ position: 9, epoch: 2, hash: run(16, 0), digest: run(16, 16) }),
    decodeApplied,
    { position: 9, epoch: 2, hash: run(16, 0), digest: run(16, 16) },
  ],
  entry: [() => encodeEntry(effects), decodeEntry, effects],
  node: [() => encodeNode(node), decodeNode, node],
  device: [() => encodeDevice(device), decodeDevice, device],
  request: [
    () => rows.encodeRequest({ request: run(16, 0), outcome: run(2, 1) }),
    rows.decodeRequest,
    { request: run(16, 0), outcome: run(2, 1) },
  ],
  clusterEntry: [() => encodeEntry(clusterEffects), decodeEntry, clusterEffects],
  memberEntry: [() => encodeEntry(memberEffects), decodeEntry, memberEffects],
  shardedEntry: [() => encodeEntry(shardedEffects), decodeEntry, shardedEffects],
  configurationEntry: [() => encodeEntry(configurationEffects), decodeEntry, configurationEffects],
  configuration: [() => encodeConfiguration(run(3, 1)), decodeConfiguration, run(3, 1)],
  notificationEntry: [() => encodeEntry(notificationEffects), decodeEntry, notificationEffects],
  notice: [() => encodeNotice(noticed), decodeNotice, noticed],
  quotaEntry: [() => encodeEntry(quotaEffects), decodeEntry, quotaEffects],
  usage: [() => encodeUsage(usage), decodeUsage, usage],
  shardedBucket: [() => rows.encodeBucketShards(shardedBucket), rows.decodeBucketShards, shardedBucket],
  sealedBucket: [() => rows.encodeBucketShards(sealedBucket), rows.decodeBucketShards, sealedBucket],
  outcomeDone: [() => encodeOutcome({ type: 'digest' }, { type: 'done' }), decodeOutcome, { type: 'done' }],
  outcomeDeleted: [
    () =>
      encodeOutcome(
        { type: 'digest' },
        {
          type: 'deleted',
          results: [
            { version: marker, marker: true, error: undefined },
            { version: undefined, marker: false, error: { code: 'NoSuchKey', message: 'm' } },
          ],
        },
      ),
    decodeOutcome,
    {
      type: 'deleted',
      results: [
        { version: marker, marker: true, error: undefined },
        { version: undefined, marker: false, error: { code: 'NoSuchKey', message: 'm' } },
      ],
    },
  ],
  outcomePut: [
    () =>
      encodeOutcome(
        {
          type: 'object.put',
          bucket: 7,
          key: Buffer.from('k'),
          owner: 'owner',
          guard: undefined,
          draft: object,
          pieces: [inline],
        },
        { type: 'version', version: { ...object, ...identity }, replacedNull: true },
      ),
    decodeOutcome,
    { type: 'put', ...identity, manifest: object.manifest.id, pieces: 1, embedded: true, replacedNull: true },
  ],
};

const rowKeys: Record<string, Buffer> = {
  object: keys.object(7, Buffer.from('k')),
  history: keys.history(run(16, 0), 5),
  guk: keys.guk(run(16, 0)),
  nullVersion: keys.nullVersion(run(16, 0)),
  bucket: keys.bucket('photos'),
  bucketId: keys.bucketId(7),
  bucketCounts: keys.bucketCounts(7),
  upload: keys.upload(7, Buffer.from('12345678'), run(16, 0)),
  uploadLonger: keys.upload(7, Buffer.from('123456789'), run(16, 0)),
  piece: keys.piece(run(16, 0), 3),
  reference: keys.reference(run(16, 0), 3),
  stripe: keys.stripe(run(16, 0)),
  garbage: keys.garbage(300, 2),
  intent: keys.intent(run(8, 0)),
  group: keys.group(3),
  accessKey: keys.accessKey('AK'),
  counter: keys.counter(1),
  meta: keys.meta(1),
  request: keys.request(300),
  node: keys.node('n1'),
  device: keys.device('d1'),
  feature: keys.feature('f'),
  setting: keys.setting('s'),
  invitation: keys.invitation(run(16, 0)),
  authority: keys.authority(),
  account: keys.account('123456789012'),
  identity: keys.identity('AIDA1'),
  identityName: keys.identityName('123456789012', 0, 'Ann'),
  identityUse: keys.identityUse('123456789012', 'AGPA1', 2, 'AIDA1'),
  identityCount: keys.identityCount('123456789012', 3),
  identityGeneration: keys.identityGeneration(),
  bucketShards: keys.bucketShards(300),
  configuration: keys.configuration(300, 7),
  target: keys.target('hook'),
  follower: keys.follower('f'),
  usage: keys.usage('123456789012'),
  bucketQuota: keys.quota(encodeSubject({ kind: 'bucket', bucket: 300 })),
  tenantQuota: keys.quota(encodeSubject({ kind: 'tenant', account: '123456789012' })),
  quotaRows: keys.quotaRows(),
  partBytes: keys.partBytes(run(16, 0)),
  charge: keys.charge(300),
  settingRow: rows.encodeSetting('v'),
};

/** In hexadecimal. */
const golden: Record<string, string> = {
  account:
    '010c31323334353637383930313240616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261620461636d65e803000000000000',
  userOfAccount:
    '01000541494441310c31323334353637383930313203416e6e032f702fe803000000000000ac0201016b0176012261726e3a6177733a69616d3a3a3132333435363738393031323a706f6c6963792f500102696e027b7d1961726e3a6177733a69616d3a3a6177733a706f6c6963792f42010541475041310102414b03614062',
  groupOfAccount:
    '01010541475041310c313233343536373839303132055374616666032f702fe803000000000000ac0201016b0176012261726e3a6177733a69616d3a3a3132333435363738393031323a706f6c6963792f500102696e027b7d',
  roleOfAccount:
    '01020541524f41310c31323334353637383930313204576f726b032f702fe803000000000000ac0201016b0176012261726e3a6177733a69616d3a3a3132333435363738393031323a706f6c6963792f500102696e027b7d00077b2274223a317d0164901c',
  policyOfAccount:
    '010305414e5041310c3132333435363738393031320150032f702fe803000000000000ac0201016b01760164d00700000000000002030102dc05000000000000027b7d',
  identityEntry:
    '01345c010c31323334353637383930313240616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261626162616261620461636d65e803000000000000350c31323334353637383930313236800101000541494441310c31323334353637383930313203416e6e032f702fe803000000000000ac0201016b0176012261726e3a6177733a69616d3a3a3132333435363738393031323a706f6c6963792f500102696e027b7d1961726e3a6177733a69616d3a3a6177733a706f6c6963792f42010541475041310102414b03614062365901010541475041310c313233343536373839303132055374616666032f702fe803000000000000ac0201016b0176012261726e3a6177733a69616d3a3a3132333435363738393031323a706f6c6963792f500102696e027b7d366501020541524f41310c31323334353637383930313204576f726b032f702fe803000000000000ac0201016b0176012261726e3a6177733a69616d3a3a3132333435363738393031323a706f6c6963792f500102696e027b7d00077b2274223a317d0164901c3643010305414e5041310c3132333435363738393031320150032f702fe803000000000000ac0201016b01760164d00700000000000002030102dc05000000000000027b7d37054149444131032d0202414b0401020304016f016e0900000000000000020101620c31323334353637383930313205414944413101',
  group: '012c010000020201640165',
  object:
    '010202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b017603001c0102030405060708050568656c6c6f',
  assembled:
    '010c15000400000000f2052a010000007b68e5cf8b01000014000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657204434f4c4406464748494a4b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b0176005a5b5c5d5e5f60616263646566676869020603020104',
  marker:
    '0105000000000000060000000000000008000000000000000000000000000000000000000000000000000000000000003c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7016f',
  piece:
    '01000500000000000000e80703090a0b0c0d0e0f1080b4c4c321030405060708090a0b0c0d0e0f101112021415161718191a1b1c1d1e1f202122ac0280808004039080040c28292a2b2c2d2e2f30313233343536010700',
  link: '0101000102030405060708090a0b0c0d0e0f04',
  bucket: '01070000000670686f746f73056f776e65720068e5cf8b0100000465752d310201016101620505060708090102',
  counts: '010100000000000000020000000000000003000000000000000000000000010000',
  upload:
    '010102030405060708090a0b0c0d0e0f1007000000016b0068e5cf8b010000056f776e6572085354414e444152440103612f62000003010308090a',
  accessKey: '0102414b0401020304016f016e090000000000000002010162',
  garbage: '01000102030405060708090a0b0c0d0e0f0100000009000000',
  stripe: '01000102030405060708090a0b0c0d0e0fac02070000006b',
  place: '01070000006b',
  number: '0300000000010000',
  applied: '0109000000000000000200000000000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
  entry:
    '01012d01070000000670686f746f73056f776e65720068e5cf8b0100000465752d31020101610162050506070809010202070000000670686f746f7303190102414b0401020304016f016e0900000000000000020101620402414b0507000000016b05020204010203040607000000016b05000102030405060700010707000000016b040102030408000102030405060708090a0b0c0d0e0f0300000007000000016b01040102030409000102030405060708090a0b0c0d0e0f0102030405060708090a0b0c0d0e0f10030000000a3b010102030405060708090a0b0c0d0e0f1007000000016b0068e5cf8b010000056f776e6572085354414e444152440103612f62000003010308090a0b07000000016b000102030405060708090a0b0c0d0e0f0300000004010203040c07000000016b000102030405060708090a0b0c0d0e0f0104010201000d07000000016b000102030405060708090a0b0c0d0e0f0e120100010203040506070004000000000000000f000102030405060710ac020102000000110901030000000101016412000102030405060708090a0b0c0d0e0f',
  node: '01026e310d31302e302e302e313a373030300d31302e302e302e313a39303030017a050205302e322e300101661e1f202122232425',
  device: '01026431026e3103737364808080808020ac0202',
  request: '01000102030405060708090a0b0c0d0e0f0102',
  clusterEntry:
    '010e1d020001020304050607000400000000000000026e311e1f202122232425133501026e310d31302e302e302e313a373030300d31302e302e302e313a39303030017a050205302e322e300101661e1f20212223242514026e31151401026431026e3103737364808080808020ac020216026431170166190173017618000102030405060708090a0b0c0d0e0fac02020102',
  memberEntry:
    '01284401000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2fe8030000000000000000000000010000026e3129000102030405060708090a0b0c0d0e0f2a1001030103010203040203040501020304',
  configurationEntry: '01300700000001043c782f3e312c01000012',
  configuration: '0103010203',
  quotaEntry:
    '015005010000012c12010300000000000100000700000000000000500d023132333435363738393031320a0102000000000000000050060341494441310051ac02054149444131520c313233343536373839303132',
  usage: '012c010000000000000000000000010000',
  notificationEntry: '014604686f6f6b04010203044704686f6f6b480166ac024901664a0401020304',
  notice:
    '01020707000000016bfbd095ffbc31ac023c3d3e3f40414243020152016802414b0831302e302e302e310a436f70794f626a6563740670686f746f73056f776e65720465752d31020004686f6f6b0163010362757300056465666768696a6b6c6d6e6f7071727303',
  shardedEntry: '01200e012c01000082010004010203ac022107000000',
  shardedBucket: '012c01000082010004010203ac02',
  sealedBucket: '010700000002ac0200',
  outcomeDone: '0100',
  outcomeDeleted:
    '010302034a0101000000000000060000000000000008000000000000000000000000000000000000000000000000000000000000003c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7016f0401016d',
  outcomePut:
    '0106c8c9cacbcccdcecfd0d1d2d3d4d5d6d7ac023c3d3e3f4041424301fbd095ffbc31000000012a05f2003c3d3e3f40414243010101',
};

const goldenSecond: Record<string, string> = {
  memoEntry: '015a0106686f6f6b2f31030102035a02034b45590801e80702733301725b02034b4559',
  kmsEntry:
    '013d41012430313233343536372d383961622d346465662d383132332d34353637383961626364656607706179726f6c6ce8030000000000000102040102030403090a0b',
  kmsObject:
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b0176200101012430313233343536372d383961622d346465662d383132332d34353637383961626364656603097b2261223a2262227d03001c0102030405060708050568656c6c6f',
  counts: '0201000000000000000200000000000000030000000000000000000000000100002c01000000000000',
  grantedObject:
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b017610267b2276223a312c226772616e7473223a5b5b2252454144222c22416c6c5573657273225d5d7d03001c0102030405060708050568656c6c6f',
  lockedObject:
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b01760f0301020208038088b2a002c869e5cf8b0100000301153bd360ba0100000103001c0102030405060708050568656c6c6f',
  customersObject:
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b0176200003001c0102030405060708050568656c6c6f',
  lockEntry: '013cfbd095ffbc31',
  sourceEntry: '015507000000027b7d562c010000',
  lockedUpload:
    '030102030405060708090a0b0c0d0e0f1007000000016b0068e5cf8b010000056f776e6572085354414e444152440103612f62000003010308090a0d010301153bd360ba01000001',
  accessKey: '0202414b0401020304016f016e0900000000000000020101620c31323334353637383930313205414944413101',
  group: '020500000001030164016501660201',
  bucket: '02070000000670686f746f73056f776e65720068e5cf8b0100000465752d3102010161016205050607080901020803',
  upload:
    '020102030405060708090a0b0c0d0e0f1007000000016b0068e5cf8b010000056f776e6572085354414e444152440103612f62000003010308090a0103',
  object:
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b0176030301020208038088b2a002c869e5cf8b0100000303001c0102030405060708050568656c6c6f',
  hybridBucket:
    '02070000000670686f746f73056f776e65720068e5cf8b0100000465752d31020101610162050506070809010301020208038088b2a002',
  grownBucket: '02090000000300040203040102',
  swapEntry: '011a000102030405060708090a0b0c0d0e0f0300000007000000016b04010203041b07000000016b0401020304',
};

const goldenKeys: Record<string, string> = {
  account: '34313233343536373839303132',
  identity: '354149444131',
  identityName: '3631323334353637383930313200616e6e',
  identityUse: '37313233343536373839303132414750413100024149444131',
  identityCount: '3831323334353637383930313203',
  identityGeneration: '3800',
  object: '03000000076b',
  history: '04000102030405060708090a0b0c0d0e0ffffffffffffffffa',
  guk: '05000102030405060708090a0b0c0d0e0f',
  nullVersion: '09000102030405060708090a0b0c0d0e0f',
  bucket: '0670686f746f73',
  bucketId: '0700000007',
  bucketCounts: '0200000007',
  upload: '0800000007313233343536373808000102030405060708090a0b0c0d0e0f',
  uploadLonger: '08000000073132333435363738ff390000000000000001000102030405060708090a0b0c0d0e0f',
  piece: '0a000102030405060708090a0b0c0d0e0f00000003',
  reference: '0b000102030405060708090a0b0c0d0e0f00000003',
  stripe: '0c000102030405060708090a0b0c0d0e0f',
  garbage: '0d000000000000012c00000002',
  intent: '0e0001020304050607',
  group: '0f00000003',
  accessKey: '10414b',
  counter: '0101',
  meta: '0001',
  request: '11000000000000012c',
  node: '126e31',
  device: '136431',
  feature: '1466',
  setting: '1573',
  invitation: '20000102030405060708090a0b0c0d0e0f',
  authority: '2100',
  bucketShards: '180000012c',
  configuration: '300000012c07',
  target: '3c686f6f6b',
  follower: '3d66',
  usage: '40313233343536373839303132',
  bucketQuota: '41010000012c',
  tenantQuota: '4102313233343536373839303132',
  quotaRows: '4100',
  partBytes: '42000102030405060708090a0b0c0d0e0f',
  charge: '4201000000000000012c',
  settingRow: '010176',
};

describe('the bytes of format 2', () => {
  for (const [name, [bytes, again, value]] of Object.entries(writtenSecond)) {
    it(`are those of the first ${name}`, () => {
      assert.equal(bytes().toString('hex'), goldenSecond[name]);
      assert.deepEqual(again(Buffer.from(goldenSecond[name]!, 'hex')), value);
    });
  }
});

describe('the bytes of format 1', () => {
  for (const [name, [bytes, again, value]] of Object.entries(written)) {
    it(`are those of the first ${name}`, () => {
      assert.equal(bytes().toString('hex'), golden[name]);
      assert.deepEqual(again(Buffer.from(golden[name]!, 'hex')), value);
    });
  }

  it('are those of the first row keys', () => {
    for (const [name, key] of Object.entries(rowKeys)) assert.equal(key.toString('hex'), goldenKeys[name], name);
  });
});
