import { writeSync } from 'node:fs';
import { realHost } from '../host/index.ts';
import { openKv } from './owner.ts';

/* The process that kill.test.ts kills: commits batches for ever, each replacing every row, and says on stdout what is durable. */

const kv = await openKv({ directory: process.argv[2] as string, host: realHost() });
const first = kv.get(Buffer.from('row 0'))?.readUInt32LE() ?? 0;
writeSync(1, `opened ${first}\n`);
for (let turn = first + 1; ; turn++) {
  const value = Buffer.alloc(1000 + (turn % 5) * 1000);
  value.writeUInt32LE(turn);
  kv.commit(Array.from({ length: 50 }, (_, i) => [Buffer.from(`row ${i}`), value] as const));
  if (turn % 7 === 0) {
    await kv.checkpoint();
    writeSync(1, `durable ${turn}\n`);
  }
}
