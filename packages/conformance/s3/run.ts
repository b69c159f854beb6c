/* The suite against a store by its address: node packages/conformance/s3/run.ts --endpoint URL --access-key … --secret-key … */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cases } from './cases.ts';
import { runCases } from './runner.ts';

const usage = `node packages/conformance/s3/run.ts --endpoint URL --access-key ID --secret-key KEY
  --second-access-key ID --second-secret-key KEY   a second account, which has none of the first one's rights
  --tenant             the second account may make buckets of its own
  --domain NAME        a name below which buckets stand (virtual-host style), reached at the same address
  --kms KEY,KEY        ids or ARNs of two keys of its KMS
  --archive CLASS      a storage class that is an archive, from which a restore takes minutes at least
  --replicates         buckets may be replicated to each other by ARNs of AWS (of a DSOM: the replication target "default" is itself)
  --website-domain NAME   a name below which buckets are websites, reached at the same address
  --region NAME        us-east-1 when left out
  --only PATTERN       cases whose "area: rule" fits this regular expression
  --at-once N          cases at the same time, 8 when left out
  --json FILE          results, for table.ts
  --keep               leave the buckets where they are
  --list               name the cases and end`;

const options = {
  endpoint: { type: 'string' },
  'access-key': { type: 'string' },
  'secret-key': { type: 'string' },
  'second-access-key': { type: 'string' },
  'second-secret-key': { type: 'string' },
  tenant: { type: 'boolean', default: false },
  domain: { type: 'string' },
  'website-domain': { type: 'string' },
  kms: { type: 'string' },
  archive: { type: 'string' },
  replicates: { type: 'boolean', default: false },
  region: { type: 'string', default: 'us-east-1' },
  only: { type: 'string', default: '' },
  'at-once': { type: 'string', default: '8' },
  json: { type: 'string' },
  keep: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/** What was asked for; ends the process where that cannot be understood. */
function asked() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return process.exit(2);
  }
}

const values = asked();

const pattern = new RegExp(values.only);
const chosen = cases.filter((one) => pattern.test(`${one.area}: ${one.name}`));

async function main(): Promise<number> {
  if (values.list) {
    for (const one of chosen) console.log(`${one.area}: ${one.name}  ${one.source}`);
    console.log(`${chosen.length} cases`);
    return 0;
  }
  const { endpoint, 'access-key': accessKeyId, 'secret-key': secretAccessKey } = values;
  if (values.help || endpoint === undefined || accessKeyId === undefined || secretAccessKey === undefined) {
    console.error(usage);
    return 2;
  }
  const secondId = values['second-access-key'];
  const secondSecret = values['second-secret-key'];
  const second =
    secondId === undefined || secondSecret === undefined
      ? undefined
      : { accessKeyId: secondId, secretAccessKey: secondSecret };
  const [key, other] = values.kms?.split(',') ?? [];
  if (values.kms !== undefined && (!key || !other)) {
    console.error(`--kms ${values.kms}: name two keys, with a comma between them\n\n${usage}`);
    return 2;
  }
  const started = performance.now();
  const store = {
    url: endpoint,
    region: values.region,
    account: { accessKeyId, secretAccessKey },
    second,
    ...(values.tenant && { tenant: true as const }),
    domain: values.domain,
    website: values['website-domain'],
    kms: key && other ? ([key, other] as const) : undefined,
    archive: values.archive,
    ...(values.replicates && { replicates: true as const }),
    keep: values.keep,
  };
  const results = await runCases(chosen, store, Number(values['at-once']), (result) => {
    if (result.outcome !== 'passed' && result.outcome !== 'left out')
      console.log(`${result.outcome}  ${result.area}: ${result.name}\n    ${result.message}\n    ${result.source}`);
  });
  const count = (outcome: string) => results.filter((result) => result.outcome === outcome).length;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${results.length} cases in ${seconds} s: ${count('passed')} as documented, ${count('different')} different, ${count('broken')} broken, ${count('left out')} left out`,
  );
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`);
  return count('different') + count('broken') === 0 ? 0 : 1;
}

process.exitCode = await main();
// Connections are kept open for the next request; there is none.
process.exit();
