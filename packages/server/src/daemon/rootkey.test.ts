import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualHost } from '../host/index.ts';
import type { KeyService } from '../keys/index.ts';
import type { AccessKeyRecord, Command, Metadata } from '../metadata/index.ts';
import type { Config } from './config.ts';
import { openRootKey } from './rootkey.ts';

const service = { wrap: async (plain: Buffer) => plain, unwrap: async (wrapped: Buffer) => wrapped } as KeyService;
const { entropy } = manualHost(1);

/** A start of one of `nodes` nodes, where `stored` is in the metadata. */
async function start(nodes: number, config: Partial<Config> = {}, stored: readonly Partial<AccessKeyRecord>[] = []) {
  const proposed: Command[] = [];
  const metadata = {
    reader: { accessKeys: () => stored, nodes: () => Array.from({ length: nodes }) },
    propose: async (command: Command) => void proposed.push(command),
  } as unknown as Metadata;
  const root = await openRootKey(config as Config, metadata, service, { entropy, now: 1 });
  return { ...root, proposed };
}

const own = { rootAccessKeyId: 'AKOWN', rootSecretAccessKey: 'secret' };

test('a root key is made where there is none and nobody else has one', async () => {
  for (const nodes of [0, 1]) {
    const { made, lacking, proposed } = await start(nodes);
    assert.match(made?.accessKeyId ?? '', /^[A-Z2-7]{20}$/);
    assert.deepEqual([lacking, proposed.map(({ type }) => type)], [false, ['key.create']]);
  }
});

test('a node that joins a cluster makes none: the others were given theirs, and it says that it knows none', async () => {
  const { made, given, lacking, proposed } = await start(2);
  assert.deepEqual([made, given, lacking, proposed], [undefined, undefined, true, []]);
});

test('none is made, nor missed, where one is given or stored', async () => {
  for (const nodes of [1, 3]) {
    const started = await start(nodes, own);
    assert.deepEqual([started.given?.id, started.made, started.lacking], ['AKOWN', undefined, false]);
    const later = await start(nodes, {}, [{ id: 'AKSTORED', role: 'root' }]);
    assert.deepEqual([later.given, later.made, later.lacking, later.proposed], [undefined, undefined, false, []]);
  }
});
