import { parentPort, workerData } from 'node:worker_threads';
import { realHost } from '../host/index.ts';
import { Kept } from './kept.ts';
import { openKvReader } from './reader.ts';
import type { KvSnapshot } from './types.ts';

/* The other thread of reader.test.ts: answers each question with what it reads at that moment. */

export type Question = 'get' | 'range' | 'kept' | 'race' | 'hold' | 'held' | 'release' | 'close';

const port = parentPort;
const options = workerData as { directory: string; counts?: Int32Array };
const kv = openKvReader({ ...options, host: realHost() });
const key = Buffer.from('key');
const text = () => kv.get(key)?.toString();
const kept = new Kept<string, string>(kv, key[0] as number, text);
let snapshot: KvSnapshot | undefined;

/** Looks at one row and at what is kept of another that never holds less, until both hold `end`. Gives when it went wrong. */
function race(): string {
  const beside = new Kept<string, string>(kv, key[0] as number, () => kv.get(Buffer.from('kept'))?.toString());
  for (;;) {
    const read = text();
    const known = beside.get('kept');
    if (Number(known) < Number(read)) return `${known} was kept when ${read} was there`;
    if (read === 'end' && known === 'end') return 'as it should';
  }
}

const answers: Record<Question, () => unknown> = {
  get: text,
  kept: () => kept.get('key'),
  race,
  range: () => Array.from(kv.range({ start: key, end: Buffer.from('l') }), ({ value }) => value.toString()),
  hold: () => {
    snapshot = kv.snapshot();
  },
  held: () => snapshot?.get(key)?.toString(),
  release: () => snapshot?.release(),
  close: () => kv.close(),
};

async function answer(question: Question): Promise<void> {
  port?.postMessage(await answers[question]());
  if (question === 'close') port?.close();
}

port?.on('message', (question: Question) => void answer(question));
port?.postMessage('ready');
