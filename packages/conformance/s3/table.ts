/* Makes docs/s3.md out of results: node packages/conformance/s3/table.ts DSOM=FILE "radosgw 16.2.15=FILE" > docs/s3.md */
import { readFileSync } from 'node:fs';
import { differences } from './differences.ts';
import type { Result } from './runner.ts';

interface Tested {
  readonly name: string;
  readonly results: ReadonlyMap<string, Result>;
}

const stores: Tested[] = process.argv.slice(2).map((argument) => {
  const equals = argument.lastIndexOf('=');
  const results = JSON.parse(readFileSync(argument.slice(equals + 1), 'utf8')) as Result[];
  return { name: argument.slice(0, equals), results: new Map(results.map((one) => [`${one.area}: ${one.name}`, one])) };
});
const [first] = stores;
if (!first) {
  console.error(
    'node packages/conformance/s3/table.ts NAME=FILE [NAME=FILE …]: name each store, and the file that run.ts --json wrote for it',
  );
  process.exit(2);
}

/** Names that are new in every run are not, so that two runs give one page. */
const steady = (text: string): string =>
  text
    .replace(/dsomc-[0-9a-f]{18}/g, 'BUCKET')
    .replace(/2~[\w-]{20,}/g, 'UPLOAD')
    .replace(/\w{3}, \d\d \w{3} 20[\d: ]+ GMT/g, 'DATE');
const cell = (text: string): string => steady(text).replaceAll('|', '\\|').replaceAll('<', '&lt;').replace(/\s+/g, ' ');
const passed = ({ results }: Tested, title: string): boolean => results.get(title)?.outcome === 'passed';
const areas = new Map<string, Result[]>();
for (const result of [...first.results.values()].toSorted((x, y) => (x.name < y.name ? -1 : 1)))
  areas.set(result.area, [...(areas.get(result.area) ?? []), result]);
const names = [...areas.keys()].toSorted();
const total = first.results.size;
const count = (store: Tested, rows: readonly Result[]): number =>
  rows.filter((row) => passed(store, `${row.area}: ${row.name}`)).length;

function seen(store: Tested, title: string): string {
  const result = store.results.get(title);
  if (result === undefined || result.outcome === 'left out') return 'not tried';
  if (result.outcome === 'passed') return 'as documented';
  const meant = store === first ? differences[title] : undefined;
  return `${cell(result.observed)}${meant === undefined ? '' : ` (on purpose: ${meant})`}`;
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const rule = (columns: number): string => line(Array.from({ length: columns }, () => '---'));

const out: string[] = [
  '# S3, rule by rule',
  '',
  `The suite in \`packages/conformance/s3\` has ${total.toLocaleString('en')} cases. Each is one rule of the documentation, seen from outside. This page is made from its results`,
  '(`npm run report:s3`), not written: first how many rules of each area a store keeps, then every rule that one of them does not, what it does',
  'instead, and the page that states the rule. What DSOM does differently on purpose is explained in [s3-compatibility.md](s3-compatibility.md#differences). `not tried`: the',
  'store does not have what the case needs (a radosgw of this version no archive, for example). The radosgw is one of `radosgw.sh`, which may encrypt without TLS and has two keys.',
  '',
  line(['area', 'rules', ...stores.map(({ name }) => name)]),
  rule(2 + stores.length),
  ...names.map((name) => {
    const rows = areas.get(name) ?? [];
    return line([name, String(rows.length), ...stores.map((store) => String(count(store, rows)))]);
  }),
  line(['**all**', String(total), ...stores.map((store) => String(count(store, [...first.results.values()])))]),
];
for (const name of names) {
  const differing = (areas.get(name) ?? []).filter((row) =>
    stores.some((store) => !passed(store, `${row.area}: ${row.name}`)),
  );
  if (differing.length === 0) continue;
  out.push(
    '',
    `## ${name[0]?.toUpperCase()}${name.slice(1)}`,
    '',
    line(['rule', ...stores.map((store) => store.name), 'stated by']),
    rule(2 + stores.length),
  );
  for (const row of differing) {
    const page = row.source.replace(/^.*\//, '').replace('.html', '');
    out.push(
      line([
        cell(row.name),
        ...stores.map((store) => seen(store, `${row.area}: ${row.name}`)),
        `[${page}](${row.source})`,
      ]),
    );
  }
}
console.log(out.join('\n'));
