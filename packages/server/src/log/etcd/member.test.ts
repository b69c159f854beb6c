import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { realHost } from '../../host/index.ts';
import { freePorts } from '../../host/ports.fixture.ts';
import { limits } from '../../limits.ts';
import { connectEtcd } from './client.ts';
import { noEtcd } from './etcd.fixture.ts';
import { lastWord, type MemberOptions, type RunningMember, startMember } from './member.ts';
import { addMember, promoteMember, removeMember } from './membership.ts';
import type { Etcd } from './types.ts';
import { versionFault } from './version.ts';

const host = realHost();
const root = await fs.mkdtemp(join(tmpdir(), 'dsom-member-'));
after(() => fs.rm(root, { recursive: true, force: true }));

const put = (etcd: Etcd, value: string) =>
  etcd.transact({ compare: [], success: [{ put: { key: 'k', value: Buffer.from(value) } }] });
const get = async (etcd: Etcd): Promise<string | undefined> =>
  (await etcd.range({ key: 'k' })).pairs[0]?.value.toString();
const connect = (urls: readonly string[]): Promise<Etcd> => connectEtcd({ endpoints: urls, host, allowOldEtcd: true });

async function options(name: string): Promise<MemberOptions & { readonly reports: string[] }> {
  const [client, peer] = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`) as [string, string];
  const reports: string[] = [];
  const report = (message: string): void => void reports.push(message);
  const directory = join(root, `${name}-${client.split(':').at(-1)}`);
  return { host, name, directory, clientUrl: client, peerUrl: peer, allowOldEtcd: true, report, reports };
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A folder for the PATH in which nothing is but etcd. */
async function onlyEtcd(): Promise<string> {
  const folder = await fs.mkdtemp(join(root, 'path-'));
  const etcd = execFileSync('sh', ['-c', 'command -v etcd'], { encoding: 'utf8' }).trim();
  await fs.symlink(etcd, join(folder, 'etcd'));
  return folder;
}

it('says what to install when the program is missing', async () => {
  const starting = startMember({ ...(await options('none')), program: 'no-such-etcd' });
  await assert.rejects(
    starting,
    (error) => error instanceof StoreError && /not on the PATH\. Install etcd \(https:.*--etcd/.test(error.message),
  );
});

it('says that it was removed when the program ends by itself without a failure', async () => {
  const given = await options('removed');
  const program = join(given.directory, 'etcd');
  await fs.mkdir(given.directory, { recursive: true });
  await fs.writeFile(program, '#!/bin/sh\n[ "$1" != --version ] || echo etcd Version: 3.6.9\n', { mode: 0o755 });
  await assert.rejects(startMember({ ...given, program }), /was taken out of its cluster.* empty --data and a new/);
  assert.match(given.reports[0] ?? '', /ended; .* was taken out of its cluster/);
});

it('says of a member that runs and does not answer that the others are missing, as soon as that takes long', async () => {
  const given = await options('lonely');
  const program = join(given.directory, 'etcd');
  await fs.mkdir(given.directory, { recursive: true });
  const script = '#!/bin/sh\n[ "$1" != --version ] || { echo etcd Version: 3.6.9; exit; }\nexec sleep 60\n';
  await fs.writeFile(program, script, { mode: 0o755 });
  await assert.rejects(
    startMember({ ...given, program, patienceMs: limits.etcdLonelyMs + 1 }),
    /did not become healthy: it knows no leader: .* Start the other nodes that run one\.$/,
  );
  assert.match(given.reports.join('\n'), /^etcd member lonely waits: it knows no leader: .*is given 5 s$/);
});

it('repeats what a member said last without its code', () => {
  const line = (rest: string) => `{"level":"fatal","ts":"x","caller":"etcdmain/etcd.go:271",${rest},"stacktrace":"go"}`;
  const busy = line('"msg":"discovery failed","error":"listen tcp 127.0.0.1:1: bind: address already in use"');
  assert.equal(
    lastWord([busy, 'main.main']),
    'discovery failed: listen tcp 127.0.0.1:1: bind: address already in use. Free that port, or give a new node others by --etcd-ports.',
  );
  assert.equal(lastWord([line('"msg":"a \\"name\\""')]), 'a \\"name\\"');
  assert.deepEqual([lastWord(['one', 'two']), lastWord([])], ['two', 'nothing']);
});

it('knows the versions whose reads can be stale', () => {
  for (const bad of ['3.3.99', '3.4.23', '3.4.41', '3.5.27', '3.6.8', '2.3.8', '', 'x.y.z'])
    assert.ok(versionFault(bad), bad);
  for (const good of ['3.4.42', '3.4.50', '3.5.28', '3.6.9', '3.6.10', '3.7.0', '4.0.0'])
    assert.equal(versionFault(good), undefined, good);
});

describe('a member of etcd beside this program', { skip: noEtcd }, () => {
  const version = noEtcd
    ? ''
    : (/etcd Version: (\S+)/.exec(execFileSync('etcd', ['--version'], { encoding: 'utf8' }))?.[1] ?? '');
  const isOld = versionFault(version) !== undefined;

  it('is refused when it is too old', { skip: !isOld && `etcd ${version} is not too old` }, async () => {
    const { allowOldEtcd: _, ...rest } = await options('old');
    await assert.rejects(startMember(rest), /is refused: it is version .* install etcd 3\.\d+\.\d+ or later/);
    const member = await startMember({ ...rest, allowOldEtcd: true });
    try {
      const connecting = connectEtcd({ endpoints: member.endpoints, host });
      await assert.rejects(connecting, /is refused: it is version .* install etcd 3\.\d+\.\d+ or later/);
    } finally {
      await member.stop();
    }
  });

  it('says at once that its port is taken, and does not try on', async () => {
    const one = await options('taken');
    const other = createServer().listen(Number(new URL(one.peerUrl).port), '127.0.0.1');
    await once(other, 'listening');
    try {
      await assert.rejects(startMember(one), /The etcd member taken cannot listen: .* in use\. .* by --etcd-ports/);
      assert.deepEqual(one.reports, []);
    } finally {
      other.close();
    }
  });

  it('is started again when it ends, with what it held, until it is stopped', async () => {
    const one = await options('again');
    const member = await startMember(one);
    const etcd = await connect(member.endpoints);
    try {
      await put(etcd, 'kept');
      const pid = member.pid as number;
      process.kill(pid, 'SIGKILL');
      let found: string | undefined;
      for (let tries = 0; found === undefined && tries < 5; tries++) found = await get(etcd).catch(() => undefined);
      assert.equal(found, 'kept');
      assert.notEqual(member.pid, pid);
      assert.equal(one.reports.length, 1);
      assert.match(one.reports[0] as string, /etcd member again ended; it is started again in 250 ms/);
      const second = member.pid as number;
      await member.stop();
      assert.equal(alive(second), false);
      assert.equal(member.pid, undefined);
    } finally {
      await etcd.close();
      await member.stop();
    }
  });

  it('says why it ended, not the end of the stack that follows', async () => {
    const one = await options('panics');
    await fs.mkdir(one.directory, { recursive: true });
    const program = join(one.directory, 'program');
    const stack = `panic: tocommit(61) is out of range\n\ngoroutine 88 [running]:\n${'\tgo.etcd.io/etcd/raft/log.go:203 +0x103\n'.repeat(40)}`;
    const script = [
      '#!/bin/sh',
      `[ "$1" = --version ] || [ -e '${program}.ran' ] && exec etcd "$@"`,
      `touch '${program}.ran'; printf '${stack.replaceAll('\n', '\\n').replaceAll('\t', '\\t')}' >&2; exit 2`,
    ];
    await fs.writeFile(program, script.join('\n'), { mode: 0o700 });
    const member = await startMember({ ...one, program });
    await member.stop();
    assert.match(one.reports[0] ?? '', /said last: panic: tocommit\(61\) is out of range$/);
  });

  for (const known of [true, false])
    it(`ends the process that an earlier run left behind, ${known ? 'and had written down' : 'before it wrote that down'}`, async () => {
      const one = await options('left');
      const data = join(one.directory, 'data');
      await fs.mkdir(data, { recursive: true });
      const args = ['--max-request-bytes', String(limits.etcdRequestBytes), '--name', 'left'];
      args.push('--data-dir', data, '--listen-client-urls', one.clientUrl);
      args.push('--advertise-client-urls', one.clientUrl, '--listen-peer-urls', one.peerUrl);
      args.push('--initial-advertise-peer-urls', one.peerUrl, '--initial-cluster', `left=${one.peerUrl}`);
      const orphan = spawn('etcd', args, { stdio: 'ignore' });
      if (known) await fs.writeFile(join(one.directory, 'pid'), String(orphan.pid));
      await (await connect([one.clientUrl])).close();
      // As where no `ps` is installed: in minimal images.
      const { PATH } = process.env;
      process.env['PATH'] = await onlyEtcd();
      try {
        const member = await startMember(one);
        assert.notEqual(member.pid, orphan.pid);
        assert.ok(orphan.exitCode !== null || orphan.signalCode !== null);
        assert.match(one.reports[0] ?? '', new RegExp(`left behind \\(process ${orphan.pid}\\) is ended`));
        await member.stop();
      } finally {
        process.env['PATH'] = PATH;
        orphan.kill('SIGKILL');
      }
    });

  it('ends no process that only has the number of an earlier one', async () => {
    const one = await options('other');
    await fs.mkdir(one.directory, { recursive: true });
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      await fs.writeFile(join(one.directory, 'pid'), String(bystander.pid));
      const member = await startMember(one);
      await member.stop();
      assert.equal(bystander.signalCode, null);
    } finally {
      bystander.kill();
    }
  });

  it('grows a cluster from one to three and shrinks it, while it serves', async () => {
    const running: RunningMember[] = [];
    const all = await Promise.all(['a', 'b', 'c'].map(options));
    const first = all[0] as MemberOptions;
    const others = all.slice(1);
    running.push(await startMember(first));
    const etcd = await connect([first.clientUrl]);
    try {
      await put(etcd, 'one');
      for (const other of others) {
        const initialCluster = await addMember(etcd, host, other.name, other.peerUrl);
        assert.equal(await addMember(etcd, host, other.name, other.peerUrl), initialCluster, 'again: the same');
        assert.ok(initialCluster.includes(`${other.name}=${other.peerUrl}`) && initialCluster.includes('a='));
        await put(etcd, `before ${other.name} has its vote`);
        running.push(await startMember({ ...other, initialCluster }));
        await promoteMember(etcd, host, other.peerUrl);
        await assert.rejects(
          addMember(etcd, host, 'late', other.peerUrl),
          /of another node has the address .*node remove/,
        );
      }
      const members = await etcd.members();
      assert.deepEqual(members.map(({ name, learner }) => `${name} ${learner}`).sort(), [
        'a false',
        'b false',
        'c false',
      ]);
      await running[0]?.stop();
      const rest = await connect(others.map(({ clientUrl }) => clientUrl));
      try {
        assert.equal(await get(rest), 'before c has its vote');
        await removeMember(rest, host, first.peerUrl);
        assert.equal((await rest.members()).length, 2);
        await put(rest, 'two');
        assert.equal(await get(rest), 'two');
        await assert.rejects(promoteMember(rest, host, first.peerUrl), /add it first/);
      } finally {
        await rest.close();
      }
    } finally {
      await etcd.close();
      for (const member of running) await member.stop();
    }
  });
});
