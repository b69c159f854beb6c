import assert from 'node:assert/strict';
import { it } from 'node:test';
import { limits } from '../limits.ts';
import { shortReply, wholeReply } from './answers.ts';
import { draftOf, inlinePiece, Rig, stripedPiece } from './rig.support.ts';
import type { Command } from './types.ts';

it('an answer that was cut short says the same to whoever has the command', async () => {
  const rig = await Rig.open();
  const bucket = await rig.bucket('bucket', 'enabled');
  const put = (...pieces: ReturnType<typeof inlinePiece>[]): Command => {
    const size = pieces.reduce((sum, piece) => sum + piece.size, 0);
    const draft = draftOf(size, pieces[0]!.md5);
    return { type: 'object.put', bucket, key: Buffer.from('k'), owner: 'o', guard: undefined, draft, pieces };
  };
  const striped = stripedPiece(await rig.stripes(limits.embeddedStripes), 5000);
  const commands = [
    put(inlinePiece('small')),
    put(striped),
    put(inlinePiece('two'), inlinePiece('pieces')),
    {
      type: 'object.delete',
      bucket,
      owner: 'o',
      items: [{ key: Buffer.from('k'), version: undefined, guard: undefined }],
    },
  ] satisfies Command[];
  for (const command of commands) {
    const { reply } = await rig.metadata.propose(command);
    assert.deepEqual(wholeReply(command, shortReply(command, reply)), reply);
  }
  const { reply } = await rig.metadata.propose(commands[0]!);
  assert.ok(!('version' in shortReply(commands[0]!, reply)));
});
