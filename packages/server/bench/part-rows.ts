/* What is printed of parts that are measured by themselves. */
import type { Table } from './cluster-rows.ts';
import { decisionRate } from './decisions.ts';
import { measureErasure } from './erasure.ts';
import { metadataAppends } from './etcd.ts';
import { fairnessFigures } from './fairness.ts';
import { lifecycleFigures } from './lifecycle.ts';
import { type LinkRates, linkRates, type Rate } from './links.ts';
import type { LoadResult } from './load.ts';
import { requestFigures } from './requests.ts';
import { median } from './rig.ts';
import { tlsRates } from './tls.ts';

/** The code's kernel on one core, copies in and out included. */
export async function erasureRows({ row }: Table): Promise<void> {
  for (const { work, rate, copy, least } of measureErasure())
    row(
      work,
      `${rate.toFixed(1)} GB/s of data`,
      `${copy.toFixed(1)} (memcpy) = ${(rate / copy).toFixed(2)}`,
      `≥ ${least}`,
      rate / copy >= least,
    );
}

/** Who may: five policies of five statements, asked for every request. */
export function policyRows({ row }: Table, runs: number): void {
  const { perSecond, allowed } = decisionRate(runs);
  row(
    'decisions by 5 policies of 5 statements, one core',
    `${(perSecond / 1000).toFixed(0)} k per s of processor time, ${(allowed * 100).toFixed(0)} % allowed`,
    '',
    '≥ 500 k',
    perSecond >= 500_000,
  );
}

/** Folders of a large bucket, deletions of many, and what policies add to a read. */
export async function requestRows({ row }: Table, objects: number, runs: number, port: number): Promise<void> {
  const { page, pageMost, deleted, root, user, ratio } = await requestFigures(objects, runs, port);
  row(
    `list 1,000 folders with ${objects} keys, a page`,
    `p50 ${page.toFixed(1)} ms, p99 ${pageMost.toFixed(1)} ms`,
    '',
    '≤ 50 ms',
    page <= 50,
  );
  row(
    'delete 1,000 keys at a time, 2 connections',
    `${(deleted / 1000).toFixed(1)} k objects per s`,
    '',
    '≥ 20 k',
    deleted >= 20_000,
  );
  row(
    'GET 4 KiB by a user with policies, in a bucket with one: CPU',
    `${user.toFixed(0)} µs`,
    `${root.toFixed(0)} µs (root, no policy); beside each other ${ratio.toFixed(3)}`,
    '≤ 1.05',
    ratio <= 1.05,
  );
}

/** A pass of the lifecycle, and what a put feels of it. */
export async function lifecycleRows({ row }: Table, objects: number): Promise<void> {
  const { looked, lookedByCpu, expired, alone, looking, expiring } = await lifecycleFigures(objects);
  const k = (rate: number) => `${(rate / 1000).toFixed(1)} k`;
  row(
    `lifecycle: a pass over ${objects} objects, 20 rules`,
    `${k(looked)} objects per s; ${k(lookedByCpu)} per s of processor time`,
    '',
    '≥ 100 k per s',
    looked >= 100_000,
  );
  row('lifecycle: expiring a tenth of them, a put after the other beside', `${k(expired)} per s`, '', '', true);
  row(
    'lifecycle: one put after the other beside the pass, p99',
    `${looking.toFixed(1)} ms while it looks, ${expiring.toFixed(1)} ms while it expires`,
    `${alone.toFixed(1)} ms alone`,
    '',
    true,
  );
}

/** Appends of metadata through etcd, on one member and on three. */
export async function etcdRows({ share }: Table, runs: number): Promise<void> {
  for (const members of [1, 3]) {
    const { appends, puts, p50, p99, cpu } = await metadataAppends(members, runs);
    const work = `append 1 KiB, 64 hands, through etcd with ${members} member${members > 1 ? 's' : ''} (limit: bare puts)`;
    share(work, 'per s', appends, puts, 1);
    console.log(`      p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${cpu.toFixed(0)} µs of CPU each`);
  }
}

/** Calls between two nodes, beside bare node:tls. */
export async function linkRows({ row, share }: Table, runs: number): Promise<void> {
  const rates = await linkRates(runs);
  const of = (name: keyof LinkRates, part: keyof Rate) => median(rates.map((one) => one[name][part]));
  for (const [name, way] of [
    ['put', 'to'],
    ['get', 'from'],
  ] as const) {
    share(`link, bodies of 1 MiB ${way} the other node`, 'MiB/s', of(name, 'perSecond'), of('bare', 'perSecond'), 0.6);
    const [ours, bare] = [of(name, 'cpu'), of('bare', 'cpu')];
    row(
      `link, bodies of 1 MiB ${way} the other node, processor time`,
      `${ours.toFixed(0)} µs`,
      `${bare.toFixed(0)} µs (node:tls) = ${(ours / bare).toFixed(2)} ×`,
      '≤ 1.6 ×',
      ours / bare <= 1.6,
    );
  }
  for (const [name, way, most] of [
    ['small', '32 at a time', 40],
    ['one', 'one at a time', 120],
  ] as const)
    row(
      `link, calls of 1 KiB each way, ${way}`,
      `${of(name, 'perSecond').toFixed(0)} per s, ${of(name, 'cpu').toFixed(0)} µs of processor time each`,
      '',
      `≤ ${most} µs`,
      of(name, 'cpu') <= most,
    );
}

/** HTTPS beside HTTP: what it costs, with a client that encrypts on the same cores. */
export async function tlsRows({ row }: Table, runs: number, port: number): Promise<void> {
  const { small, large, put } = await tlsRates(runs, port);
  for (const [work, unit, { https, http }] of [
    ['GET 4 KiB over HTTPS, 32 connections', 'per s', small],
    ['GET 8 MiB over HTTPS, 8 connections', 'MB/s', large],
    ['PUT 8 MiB over HTTPS, 8 connections', 'MB/s', put],
  ] as const)
    row(
      work,
      `${https.toFixed(0)} ${unit}`,
      `${http.toFixed(0)} ${unit} (HTTP) = ${(https / http).toFixed(2)} ×`,
      '',
      true,
    );
}

/**
 * A quiet tenant beside a noisy one.
 * @param before `dsom.mjs` of another version, measured in the same run
 */
export async function fairnessRows({ row }: Table, port: number, before: string | undefined): Promise<void> {
  const told = ({ perSecond, p50, p99 }: LoadResult) => `${perSecond.toFixed(0)} per s, p50 ${p50} ms, p99 ${p99} ms`;
  const other = before === undefined ? [] : await fairnessFigures(port + 1, before);
  for (const { noise, quiet, noisy } of await fairnessFigures(port)) {
    const then = other.find((one) => one.noise === noise);
    row(
      `4 × GET 4 KiB of a quiet tenant beside ${noise} of another`,
      `${told(quiet)}${noisy ? `; the other ${told(noisy)}` : ''}`,
      then ? `${told(then.quiet)}${then.noisy ? `; the other ${told(then.noisy)}` : ''} (the version before)` : '',
      noisy ? 'p99 < 100 ms' : '',
      noisy === undefined || quiet.p99 < 100,
    );
  }
}
