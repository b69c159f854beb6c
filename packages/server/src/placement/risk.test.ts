import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Layout, layoutOf, type PlacementDevice, riskOf, type Scheme, survivalText } from './index.ts';
import { meanHoursToLoss, type RiskInput } from './risk.ts';

const year = 8766;
const close = (actual: number, expected: number, by: number) =>
  assert.ok(Math.abs(actual - expected) <= by, `${actual} is not ${expected} ± ${by}`);

function layout(scheme: Scheme, nodes: number, perNode = 1, zones = 0): Layout {
  const devices: PlacementDevice[] = Array.from({ length: nodes * perNode }, (_, i) => ({
    identity: `d${i}`,
    weight: 1,
    healthy: true,
    ...(nodes > 1 ? { node: `n${i % nodes}` } : {}),
    ...(zones > 0 ? { zone: `z${(i % nodes) % zones}` } : {}),
  }));
  const found = layoutOf(devices, scheme);
  assert.ok(!('refused' in found));
  return found;
}
const inputs = (over: Partial<RiskInput> & Pick<RiskInput, 'layout'>): RiskInput => ({
  groups: 1,
  deviceLosses: 0.03,
  domainLosses: 0,
  repairHours: 24,
  unreadable: 0,
  parallel: false,
  ...over,
});

test('chains that can be solved by hand', () => {
  const serial = { repairHours: 10, parallel: false, unreadable: 0 };
  // One device: 1/λ.
  close(meanHoursToLoss(1, 0, 1 / 1000, serial), 1000, 1e-9);
  // Two copies: 1/2λ + 1/λ + μ/2λ² = 500 + 1000 + 0.1/(2e-6).
  close(meanHoursToLoss(2, 1, 1 / 1000, serial), 500 + 1000 + 50_000, 1e-6);
  // Three: h0 = 1000/3; h1 = 500 + 50 h0; h2 = 1000 + 100 h1.
  const [h0, h1] = [1000 / 3, 500 + (50 * 1000) / 3];
  close(meanHoursToLoss(3, 2, 1 / 1000, serial), h0 + h1 + 1000 + 100 * h1, 1e-3);
  // The second repair of two in parallel is twice as fast.
  close(meanHoursToLoss(3, 2, 1 / 1000, { ...serial, parallel: true }), h0 + h1 + 1000 + 200 * h1, 1e-3);
  // A repair that always fails loses with the rate of repairs.
  close(meanHoursToLoss(2, 1, 1 / 1000, { ...serial, unreadable: 0.5 }), 500 + (1 + 0.05 * 500) / (0.001 + 0.05), 1e-6);
});

test('the nines of the schemes that were computed elsewhere, for one group and AFR 3 %', () => {
  for (const [scheme, hours, serial, parallel] of [
    [{ copies: 2 }, 24, 5.3, 5.3],
    [{ copies: 3 }, 6, 10.1, 10.4],
    [{ copies: 3 }, 24, 8.9, 9.2],
    [{ data: 4, parity: 2 }, 24, 7.6, 7.9],
    [{ data: 8, parity: 3 }, 24, 9.9, 10.6],
    [{ data: 8, parity: 3 }, 168, 7.3, 8.1],
    [{ data: 12, parity: 4 }, 1, 17.6, 19.0],
  ] as const) {
    const width = 'copies' in scheme ? scheme.copies : scheme.data + scheme.parity;
    const over = { layout: layout(scheme, 1, width), repairHours: hours };
    close(riskOf(inputs(over)).modelledNines, serial, 0.051);
    close(riskOf(inputs({ ...over, parallel: true })).modelledNines, parallel, 0.051);
  }
});

test('bytes that cannot be read weigh more the fewer may be lost', () => {
  const nines = (scheme: Scheme, width: number) =>
    riskOf(inputs({ layout: layout(scheme, 1, width), unreadable: 0.001 })).modelledNines;
  close(nines({ copies: 3 }, 3), 7.8, 0.051);
  close(nines({ data: 8, parity: 3 }, 11), 9.5, 0.051);
  close(nines({ data: 12, parity: 4 }, 16), 11.8, 0.051);
});

test('many groups are as many chances', () => {
  const one = riskOf(inputs({ layout: layout({ copies: 3 }, 1, 9) }));
  const many = riskOf(inputs({ layout: layout({ copies: 3 }, 1, 9), groups: 100 }));
  close(many.deviceLoss / one.groupLoss, 100, 1e-3);
  close(one.modelledNines - many.modelledNines, 2, 1e-3);
});

test('one device and one copy: the devices decide, and a year takes as many as it takes', () => {
  const risk = riskOf(inputs({ layout: layout({ copies: 1 }, 1, 1) }));
  close(risk.deviceLoss, 0.03, 1e-12);
  assert.equal(risk.cappedBy, 'devices');
});

test('the largest domain plus one device caps what independent losses promise', () => {
  // 3 copies on 3 nodes of 4 devices: a node and one device may go, so nothing caps but the last line.
  const safe = riskOf(inputs({ layout: layout({ copies: 3 }, 3, 4), domainLosses: 0.01, repairHours: 0.1 }));
  assert.equal(safe.domainLoss, 0);
  // 2 copies on 2 nodes: a node is survived; one of the 4 other devices within 10 hours is not.
  const two = riskOf(inputs({ layout: layout({ copies: 2 }, 2, 4), domainLosses: 0.01, repairHours: 10 }));
  const node = 1 - 0.99 ** 2;
  const device = 1 - Math.exp(((4 * Math.log(1 - 0.03)) / year) * 10);
  close(two.domainLoss, node * device, 1e-12);
  assert.equal(two.cappedBy, 'largest domain plus one');
  // 8+3 on 4 nodes has 3 on one: the node is all that can be lost.
  const code = riskOf(inputs({ layout: layout({ data: 8, parity: 3 }, 4, 4), domainLosses: 0.01, repairHours: 1 }));
  close(code.domainLoss, (1 - 0.99 ** 4) * (1 - Math.exp((12 * Math.log(1 - 0.03)) / year)), 1e-9);
  assert.equal(code.cappedBy, 'largest domain plus one');
  // 4+2 over 2 zones has 3 in one: a zone is not survived at all.
  const zones = riskOf(inputs({ layout: layout({ data: 4, parity: 2 }, 6, 1, 2), domainLosses: 0.001 }));
  close(zones.domainLoss, 1 - 0.999 ** 2, 1e-12);
  assert.ok(zones.nines < 3);
});

test('nobody is told more nines than anybody has', () => {
  const risk = riskOf(inputs({ layout: layout({ data: 12, parity: 4 }, 16), domainLosses: 0.01, repairHours: 1 }));
  assert.ok(risk.modelledNines > 17);
  assert.equal(risk.nines, 12);
  assert.equal(risk.cappedBy, 'what no model sees');
});

test('a scheme that a zone takes objects of is told to be one, where there are zones', () => {
  const text = (zones: number) => survivalText(layout({ data: 2, parity: 1 }, 4, 1, zones));
  assert.match(text(2), /one node, or one device; one zone takes objects with it/);
  assert.doesNotMatch(text(0), /zone/);
  assert.match(survivalText(layout({ copies: 2 }, 4, 1, 2)), /with one zone, or one node, or one device$/);
});
