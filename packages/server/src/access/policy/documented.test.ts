import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { conditionKeys } from './index.ts';

/* `DSOM_REWRITE=1 node --test` of this file writes the table anew. */

const file = path.resolve(import.meta.dirname, '../../../../../docs/access-policies.md');
const [begin, end] = ['<!-- condition keys -->', '<!-- end of condition keys -->'];

it('docs/access-policies.md has every condition key, with its type and where its value comes from', () => {
  const rows = conditionKeys.map(({ name, type, many, from }) => {
    const shown = name.endsWith('/') ? `${name}KEY` : name;
    return `| \`${shown}\` | ${type}${many ? ', several' : ''} | ${from ?? 'no request here has it'} |`;
  });
  const table = ['| key | type | value |', '|---|---|---|', ...rows].join('\n');
  const text = readFileSync(file, 'utf8');
  const [head, rest] = text.split(begin);
  const tail = rest?.split(end)[1];
  assert.ok(head !== undefined && tail !== undefined, `${file} has the marks of the table`);
  const wanted = `${head}${begin}\n${table}\n${end}${tail}`;
  if (process.env['DSOM_REWRITE'] === '1') writeFileSync(file, wanted);
  else assert.equal(text, wanted, 'DSOM_REWRITE=1 writes the table anew');
});
