import { parentPort, workerData } from 'node:worker_threads';
import { realHost } from '../host/index.ts';
import { openKvReader } from './reader.ts';
import type { KvSnapshot } from './types.ts';

/* The other thread of reader.test.ts: answers each question with what it reads at that moment. */

export type Question = 'get' | 'range' | 'hold' | 'held' | 'release' | 'close';

const port = parentPort;
const options = workerData as { directory: string; commits?: Int32Array };
const kv = openKvReader({ ...options, host: realHost() });
const key = Buffer.from('key');
let snapshot: KvSnapshot | undefined;

const answers: Record<Question, () => unknown> = {
  get: () => kv.get(key)?.toString(),
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
