import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realHost } from '../../host/index.ts';
import { freePorts } from '../../host/ports.fixture.ts';
import { limits } from '../../limits.ts';
import { connectEtcd, type EtcdOptions } from './client.ts';
import type { Etcd } from './types.ts';

/** Why tests that need etcd are skipped, or false. */
export const noEtcd: string | false = (() => {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'etcd is not installed: install etcd-server';
  }
})();

interface RunningMember {
  readonly name: string;
  readonly url: string;
  readonly child: ChildProcess;
}

/** A cluster of real etcd processes on loopback, with data of their own. */
export interface TestCluster {
  readonly urls: readonly string[];
  connect(options?: Partial<EtcdOptions>): Promise<Etcd>;
  /** Sends a signal to the member of this URL; resolves when it has ended, if it is one that ends it. */
  signal(url: string, signal: NodeJS.Signals): Promise<void>;
  /** Starts the member of this URL again, on its data. */
  restart(url: string): void;
  stop(): Promise<void>;
}

/** @param count members; @param flags further arguments */
export async function startCluster(count = 1, flags: readonly string[] = []): Promise<TestCluster> {
  const root = await fs.mkdtemp(join(tmpdir(), 'dsom-etcd-'));
  const ports = await freePorts(count * 2);
  const urls = ports.slice(0, count).map((port) => `http://127.0.0.1:${port}`);
  const peers = ports.slice(count).map((port) => `http://127.0.0.1:${port}`);
  const all = peers.map((peer, index) => `m${index}=${peer}`).join(',');
  const members = new Map<string, RunningMember>();
  const start = (url: string): void => {
    const index = urls.indexOf(url);
    const name = `m${index}`;
    const peer = peers[index] as string;
    const args = [
      '--max-request-bytes',
      String(limits.etcdRequestBytes),
      '--name',
      name,
      '--data-dir',
      join(root, name),
      '--log-level',
      'error',
      '--logger',
      'zap',
    ];
    args.push('--listen-client-urls', url, '--advertise-client-urls', url);
    args.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', all, ...flags);
    members.set(url, { name, url, child: spawn('etcd', args, { stdio: 'ignore' }) });
  };
  // A run that is broken off must leave nothing behind either.
  const clean = (): void => {
    for (const member of members.values()) member.child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  };
  process.once('exit', clean);
  const ended = async ({ child }: RunningMember, signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  };
  for (const url of urls) start(url);
  const host = realHost();
  const connect = (options: Partial<EtcdOptions> = {}): Promise<Etcd> =>
    connectEtcd({ endpoints: urls, host, allowOldEtcd: true, ...options });
  const stop = async (): Promise<void> => {
    for (const member of members.values()) {
      member.child.kill('SIGCONT');
      await ended(member, 'SIGKILL');
    }
    process.off('exit', clean);
    await fs.rm(root, { recursive: true, force: true });
  };
  // It answers when it has a leader.
  for (let tries = 0; ; tries++) {
    try {
      const answers = await Promise.all(urls.map((url) => fetch(`${url}/health`)));
      if (answers.every(({ ok }) => ok)) break;
    } catch (error) {
      if (tries > 300) {
        await stop();
        throw error;
      }
    }
    await host.timers.sleep(50);
  }
  return {
    urls,
    connect,
    async signal(url, signal) {
      const member = members.get(url) as RunningMember;
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await ended(member, signal);
      else member.child.kill(signal);
    },
    restart: start,
    stop,
  };
}

/** Leases of one second are granted with these. */
export const quickFlags: readonly string[] = ['--heartbeat-interval', '50', '--election-timeout', '500'];
