import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, credentials } from '../src/server.ts';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  // Over TLS, which its policies ask for, too.
  rig = await openRig('policies', undefined, 'https');
});
after(() => rig.close());

interface User {
  readonly account: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

test('boto3 and plain HTTP with policies, lists and blocks of public access', { timeout: 10 * 60_000 }, async () => {
  const env = {
    DSOM_ENDPOINT: rig.server.endpoint,
    DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const dsom = (...args: string[]) => rig.run(process.execPath, [bin, ...args, '--json'], { env });
  await dsom('tenant', 'create', 'other');
  const args = ['user', 'create', 'admin', '--tenant', 'other', '--policy', 'AdministratorAccess'];
  const { accessKeyId, secretAccessKey, account } = JSON.parse(await dsom(...args)) as User;
  const suite = path.join(import.meta.dirname, 'policies_suite.py');
  await rig.run(python().python, [suite, rig.server.endpoint, accessKeyId, secretAccessKey, account]);
});
