/* What TLS with clients costs: the same loads over HTTPS and over HTTP, one server for each, in turns. The client takes its half of the work, on the same machine. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { load, MiB, median, scratch, startDsom, type Target } from './rig.ts';

export interface TlsRates {
  /** Requests a second, or MB/s. */
  readonly https: number;
  readonly http: number;
}

export async function tlsRates(
  runs: number,
  port: number,
): Promise<Readonly<Record<'small' | 'large' | 'put', TlsRates>>> {
  const folder = scratch('tls');
  const [certificate, key] = [path.join(folder, 'certificate.pem'), path.join(folder, 'key.pem')];
  const form = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench';
  execFileSync('openssl', [...form.split(' '), '-out', certificate, '-keyout', key], { stdio: 'pipe' });
  const targets = {
    https: await startDsom(path.join(folder, 'https'), port, ['--tls-certificate', certificate, '--tls-key', key]),
    http: await startDsom(path.join(folder, 'http'), port + 1),
  };
  const each = async (work: (target: Target, name: 'https' | 'http') => Promise<unknown>) => {
    await work(targets.https, 'https');
    await work(targets.http, 'http');
  };
  await each(async (target) => {
    await load(target, { operation: 'bucket', count: 1, connections: 1 });
    await load(target, { operation: 'put', size: 4096, count: 10_000, connections: 32, prefix: 'small/' });
    await load(target, { operation: 'put', size: 8 * MiB, count: 16, connections: 4, prefix: 'large/' });
    await load(target, { operation: 'get', count: 20_000, keys: 10_000, connections: 32, prefix: 'small/' });
    await load(target, { operation: 'get', count: 32, keys: 16, connections: 8, prefix: 'large/' });
  });
  const seen = {
    small: { https: [], http: [] },
    large: { https: [], http: [] },
    put: { https: [], http: [] },
  } as Record<'small' | 'large' | 'put', Record<'https' | 'http', number[]>>;
  for (let run = 0; run < runs; run++)
    await each(async (target, name) => {
      const small = { operation: 'get', count: 20_000, keys: 10_000, connections: 32, prefix: 'small/' } as const;
      seen.small[name].push((await load(target, small)).perSecond);
      const large = { operation: 'get', count: 96, keys: 16, connections: 8, prefix: 'large/' } as const;
      seen.large[name].push((await load(target, large)).megabytesPerSecond);
      const put = { operation: 'put', size: 8 * MiB, count: 24, connections: 8, prefix: `put${run}/` } as const;
      seen.put[name].push((await load(target, put)).megabytesPerSecond);
    });
  await each((target) => target.stop());
  const of = (what: keyof typeof seen) => ({ https: median(seen[what].https), http: median(seen[what].http) });
  return { small: of('small'), large: of('large'), put: of('put') };
}
