import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { refusedOperations, supportedOperations } from './names.ts';

const page = readFileSync(new URL('../../../../../docs/s3-compatibility.md', import.meta.url), 'utf8');
const section = (name: string) => page.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';

describe('docs/s3-compatibility.md', () => {
  for (const [name, operations] of [
    ['Done', supportedOperations],
    ['Refused by name', refusedOperations],
  ] as const) {
    it(`names each operation that is ${name.toLowerCase()}, once, and no other`, () => {
      const words =
        section(name).match(
          /\b(?:Abort|Complete|Copy|Create|Delete|Get|Head|List|Options|Post|Put|Rename|Restore|Select|Update|Upload|Write)[A-Z]\w+/g,
        ) ?? [];
      assert.deepEqual(words.sort(), [...operations].sort());
    });
  }
});
