import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../errors.ts';
import type { KvRow } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { auditState, type StateAudit } from './audit.ts';
import { tables } from './machine/keys.ts';
import { inlinePiece, Rig } from './rig.support.ts';
import { writeSnapshot } from './snapshot.ts';

const all = { start: Buffer.from([tables.meta + 1]), end: Buffer.from([0xff]) };

/** Runs an audit to its end; `between` after each page. */
async function audited(kv: Rig['kv'], between?: () => Promise<unknown>): Promise<StateAudit> {
  const audit = auditState(kv);
  for (let step = audit.next(); ; step = audit.next()) {
    if (step.done) return step.value;
    await between?.();
  }
}

async function filled(count = 40): Promise<{ readonly rig: Rig; readonly rows: KvRow[] }> {
  const rig = await Rig.open();
  const bucket = await rig.bucket('bucket');
  await Promise.all(
    Array.from({ length: count }, (_, n) => rig.put(bucket, `k${n}`, inlinePiece(Buffer.alloc(n * 60, n)))),
  );
  return { rig, rows: [...rig.kv.range(all)] };
}

describe('an audit of a state', () => {
  it('finds all rows good, however much is written meanwhile', async () => {
    const { rig } = await filled(limits.jobPage + 100);
    let more = 0;
    const audit = await audited(rig.kv, () => rig.put(1, `later${more++}`, inlinePiece('x')));
    assert.ok(more > 1, 'it rests between pages');
    assert.equal(audit.damage, undefined);
    assert.equal(audit.position, rig.log.head - more);
    assert.equal((await audited(rig.kv)).damage, undefined);
  });

  it('sees each row that has changed by itself, is gone, or came from nowhere; and no snapshot is made of that', async () => {
    const { rig, rows } = await filled();
    const change = fc.oneof(
      fc.record({ row: fc.nat(rows.length - 1), byte: fc.nat(4000), bit: fc.nat(7) }),
      fc.record({ gone: fc.nat(rows.length - 1) }),
      fc.record({ added: fc.uint8Array({ minLength: 1, maxLength: 20 }) }),
    );
    await fc.assert(
      fc.asyncProperty(change, async (how) => {
        const restore: [Buffer, Buffer | undefined][] = [];
        if ('row' in how) {
          const { key, value } = rows[how.row]!;
          fc.pre(value.length > 0);
          const rotten = Buffer.from(value);
          rotten[how.byte % value.length]! ^= 1 << how.bit;
          rig.kv.commit([[key, rotten]]);
          restore.push([key, value]);
        } else if ('gone' in how) {
          const { key, value } = rows[how.gone]!;
          rig.kv.commit([[key, undefined]]);
          restore.push([key, value]);
        } else {
          const key = Buffer.concat([Buffer.from([0xfe]), how.added]);
          rig.kv.commit([[key, Buffer.from('x')]]);
          restore.push([key, undefined]);
        }
        assert.match((await audited(rig.kv)).damage ?? '', /not what was written/);
        assert.throws(() => [...writeSnapshot(rig.kv)], CorruptionError);
        rig.kv.commit(restore);
        assert.equal((await audited(rig.kv)).damage, undefined);
      }),
      { numRuns: 200 },
    );
  });

  it('gives what it holds back when it is broken off', async () => {
    const { rig } = await filled();
    for (let n = 0; n < 2 * limits.snapshots; n++) {
      const audit = auditState(rig.kv);
      audit.next();
      audit.return({ position: 0, rows: 0, damage: undefined });
    }
  });
});
