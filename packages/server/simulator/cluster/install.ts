import { callNames } from '../../src/daemon/cluster/serve.ts';
import { StoreError } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { SharedLog } from '../../src/log/index.ts';
import { openMetadataReader, restoreSnapshot } from '../../src/metadata/index.ts';
import { pack, type Transport } from '../../src/transport/index.ts';
import type { Life } from '../world/life.ts';
import type { SimulatedKv } from '../world/store.ts';

/** As daemon/cluster/install.ts does it: makes the KV one that the log goes on from. @returns whether the state of another node was taken */
export async function prepareState(
  life: Life,
  kv: SimulatedKv,
  log: SharedLog,
  transport: Transport,
  node: string,
  shard = 0,
): Promise<boolean> {
  const positionOf = (): number => openMetadataReader(kv.open(life)).position();
  let taken = false;
  if (positionOf() + 1 < log.tail) {
    kv.lose();
    for (const end = life.host.clock.monotonic() + limits.installMs; log.tail > 1; ) {
      try {
        await take(life, kv, log, transport, node, shard);
        taken = true;
        break;
      } catch (cause) {
        if (!(cause instanceof StoreError) || life.host.clock.monotonic() > end) throw cause;
        await life.wait(limits.installRetryMs, 'install');
      }
    }
  }
  await log.covered(positionOf());
  return taken;
}

async function take(
  life: Life,
  kv: SimulatedKv,
  log: SharedLog,
  transport: Transport,
  node: string,
  shard: number,
): Promise<void> {
  const owner = log.owner();
  if (!owner || owner.node === node)
    throw new StoreError('ServiceUnavailable', { message: 'No other node owns the shard.' });
  const peer = transport.peer(owner.node, owner.address);
  try {
    const asks = pack(shard === 0 ? null : { shard });
    // Beside the KV, and in its place when it is whole.
    const incoming = kv.beside();
    const { position } = await restoreSnapshot(incoming.open(life), peer.stream(callNames.snapshot, asks));
    if (position < log.tail - 1) throw new StoreError('ServiceUnavailable', { message: 'The snapshot is too old.' });
    await incoming.open(life).checkpoint();
    kv.become(incoming);
  } finally {
    await peer.close();
  }
}
