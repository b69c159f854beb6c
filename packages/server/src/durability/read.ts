import type { GroupRecord, Stripe } from '../metadata/index.ts';
import { fragmentId, preferredCopy } from './address.ts';
import { readCoded } from './coded/read.ts';
import { Findings, type How, lost, noGroup, type StripeReads } from './findings.ts';

/** Reads of stripes: any range of one, from whatever fragments are good. The common case adds no await to a local fragment store's own read. */
export function stripeReader(
  reads: StripeReads,
  how: How,
): (stripe: Stripe, start: number, end: number) => Promise<Buffer> {
  return (stripe, start, end) => {
    const group = reads.groups.byId(stripe.group);
    if (!group) return Promise.reject(noGroup(stripe));
    return group.code
      ? readCoded(reads, how, stripe, group, group.code, start, end)
      : readCopies(reads, how, stripe, group, start, end);
  };
}

/** The first copy of {@link readingOrder} when none is sick: one of this machine costs no way through the network. */
function firstCopy({ where, condition }: StripeReads, group: GroupRecord, stripe: Buffer): number {
  const { devices } = group;
  const first = preferredCopy(stripe, devices.length);
  for (let i = 0; i < devices.length; i++) {
    const copy = (first + i) % devices.length;
    const device = devices[copy] as string;
    if (where.at(group, copy)?.remote === false && condition(device).healthy) return copy;
  }
  return first;
}

/** Reads the first copy, and the others when it fails or, on another node, is late. */
function readCopies(
  reads: StripeReads,
  how: How,
  stripe: Stripe,
  group: GroupRecord,
  start: number,
  end: number,
): Promise<Buffer> {
  const first = firstCopy(reads, group, stripe.id);
  const device = group.devices[first];
  const access = reads.where.at(group, first);
  if (!device || !access || !reads.condition(device).healthy)
    return readOthers(reads, how, stripe, start, end, undefined, new Findings());
  return reads.hedging.race(access, access[how](fragmentId(stripe.id, first), start, end), (failure) => {
    const findings = new Findings();
    if (failure) findings.failed(first, device, failure.error);
    return readOthers(reads, how, stripe, start, end, first, findings);
  });
}

/** @param tried late, or failed as the findings say: then it is asked again when no other has it */
async function readOthers(
  reads: StripeReads,
  how: How,
  stripe: Stripe,
  start: number,
  end: number,
  tried: number | undefined,
  findings: Findings,
): Promise<Buffer> {
  reads.groups.refresh();
  const group = reads.groups.byId(stripe.group);
  if (!group) throw noGroup(stripe);
  const order = readingOrder(reads, group, stripe.id);
  const others = order.filter((copy) => copy !== tried);
  const isLate = tried !== undefined && findings.bad.length === 0 && findings.away.size === 0;
  const read = (copies: readonly number[]): Promise<Buffer | undefined> =>
    readFirst(reads, how, stripe.id, group, copies, start, end, findings);
  let bytes = await read(others);
  if (!bytes) {
    const { found, away } = await reads.where.find(stripe.id, group);
    for (const device of away) findings.away.add(device);
    // It is on a device that no group names; or it was moved while its places were asked, and is where it should be now.
    if (found) bytes = (await read(isLate ? others : order)) ?? (await fromFormer(reads, stripe, group, start, end));
  }
  if (findings.bad.length > 0) reads.onBad(stripe.id, group, findings.bad, bytes !== undefined);
  if (bytes) return bytes;
  throw lost(stripe.id, findings);
}

/** From devices that no group names, verified, when those that it names have damaged copies; undefined when none has a good one. */
async function fromFormer(
  { where }: StripeReads,
  stripe: Stripe,
  group: GroupRecord,
  start: number,
  end: number,
): Promise<Buffer | undefined> {
  for (const copy of group.devices.keys()) {
    for (const source of where.former(group, copy)) {
      const bytes = await source.read(fragmentId(stripe.id, copy), start, end).catch(() => undefined);
      if (bytes) return bytes;
    }
  }
  return undefined;
}

/** The first of these copies that can be read, asked in their order; undefined when none can. */
async function readFirst(
  { where }: StripeReads,
  how: How,
  stripe: Buffer,
  group: GroupRecord,
  copies: readonly number[],
  start: number,
  end: number,
  findings: Findings,
): Promise<Buffer | undefined> {
  for (const copy of copies) {
    const device = group.devices[copy] as string;
    const access = where.at(group, copy);
    if (!access) {
      findings.away.add(device);
      continue;
    }
    try {
      return await access[how](fragmentId(stripe, copy), start, end);
    } catch (error) {
      findings.failed(copy, device, error);
    }
  }
  return undefined;
}

/** All copies from the preferred one on: those of this machine first, those on sick devices last. */
function readingOrder(reads: StripeReads, group: GroupRecord, stripe: Buffer): number[] {
  const copies = group.devices.length;
  const first = preferredCopy(stripe, copies);
  const order = Array.from({ length: copies }, (_, i) => (first + i) % copies);
  const healthy = (copy: number): boolean => reads.condition(group.devices[copy] as string).healthy;
  const far = (copy: number): boolean => reads.where.at(group, copy)?.remote !== false;
  const good = order.filter(healthy);
  return [
    ...good.filter((copy) => !far(copy)),
    ...good.filter((copy) => far(copy)),
    ...order.filter((copy) => !healthy(copy)),
  ];
}
