import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { type Decision, done } from './deciding.ts';
import type { Effect } from './effects.ts';
import { features } from './features.ts';
import { tableEnd, tableStart } from './keys.ts';
import type { IntentRecord, NodeRecord } from './records.ts';
import { decodeIntent } from './rows.ts';
import { deviceChanges, nodeChanges } from './transitions.ts';
import type { View } from './view.ts';

/*
 * Nodes, devices and features, as the system shard knows them. A node's incarnation tells one life of its process from the next: with a new
 * one, and when the node is removed, the intents of the lives before are closed in the same entry.
 */

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

const refused = (message: string): StoreError => new StoreError('InvalidRequest', { message });

function checkTexts(texts: readonly string[]): void {
  for (const text of texts) {
    if (Buffer.byteLength(text) <= limits.nodeTextBytes) continue;
    throw refused(`What is said of a node or device has at most ${limits.nodeTextBytes} bytes.`);
  }
}

/** Closes the open intents that `dead` picks. */
export function expireIntents(view: View, dead: (intent: IntentRecord) => boolean): Effect[] {
  const effects: Effect[] = [];
  for (const { value } of view.rows.range({ start: tableStart('intents'), end: tableEnd('intents') })) {
    const intent = decodeIntent(value);
    if (intent.state === 'open' && dead(intent)) {
      effects.push({ type: 'intent.write', intent: { ...intent, state: 'closed' } });
    }
  }
  return effects;
}

/** Both writers have read a record that the other may have changed since. */
function keeping(before: NodeRecord | undefined, { node, keeps }: Of<'node.write'>): NodeRecord {
  if (!before || !keeps) return node;
  return keeps === 'state' ? { ...node, state: before.state } : { ...before, state: node.state, zone: node.zone };
}

export function decideNode(view: View, command: Of<'node.write'>): Decision {
  const before = view.node(command.node.id);
  const node = keeping(before, command);
  if (node.id === '' || node.incarnation.length !== 8) {
    throw new StoreError('InvalidArgument', { message: 'A node has an id, and an incarnation of eight bytes.' });
  }
  checkTexts([node.id, node.address, node.apiAddress, node.zone, node.version, ...node.features]);
  if (node.features.length > limits.features) throw refused(`A node has at most ${limits.features} features.`);
  if (nodeChanges[before?.state ?? 'absent'][node.state] === 'refuse') {
    const was = before ? `is ${before.state}` : 'is not known';
    throw refused(`Node ${node.id} ${was}: it cannot become ${node.state}.`);
  }
  if (!before && view.counter('nodes') >= limits.nodes) {
    throw refused(`The cluster has ${limits.nodes} nodes: remove one first.`);
  }
  const gone = node.state === 'removed';
  const lacking = gone ? [] : view.features().filter((feature) => !node.features.includes(feature));
  if (lacking.length > 0) {
    throw refused(
      `Node ${node.id} does not know ${lacking.join(', ')}, which is turned on: start a newer version on it.`,
    );
  }
  if (gone && view.devices().some((device) => device.node === node.id && device.state !== 'retired')) {
    throw refused(`Node ${node.id} has devices that are not retired: retire them first.`);
  }
  const dead = ({ opener }: IntentRecord): boolean =>
    opener?.node === node.id && (gone || !opener.incarnation.equals(node.incarnation));
  const restarted = gone || !before?.incarnation.equals(node.incarnation);
  // A cluster begins with all that its first node knows: no older one has a place in it yet.
  const first =
    before || view.counter('nodes') > 0
      ? []
      : features.filter((name) => node.features.includes(name) && !view.has(name));
  const enabled = first.map((feature) => ({ type: 'feature.enable', feature }) as const);
  return done({ type: 'node.write', node }, ...enabled, ...(restarted ? expireIntents(view, dead) : []));
}

export function decideForget(view: View, { id }: Of<'node.remove'>): Decision {
  const node = view.node(id);
  if (!node) return done();
  if (node.state !== 'removed') throw refused(`Node ${id} is ${node.state}: it is forgotten only once it is removed.`);
  const devices = view.devices().filter((device) => device.node === id);
  return done(
    { type: 'node.remove', id },
    ...devices.map(({ identity }) => ({ type: 'device.remove', identity }) as const),
  );
}

export function decideDevice(view: View, { device: given, keeps }: Of<'device.write'>): Decision {
  const before = view.device(given.identity);
  const kept =
    keeps === 'state' ? { ...given, state: before?.state ?? given.state } : { ...given, ...before, state: given.state };
  const device = keeps ? kept : given;
  const { identity, node, state } = device;
  checkTexts([identity, node, device.class]);
  const whole = Number.isSafeInteger(device.capacityBytes) && Number.isSafeInteger(device.weight);
  if (identity === '' || !whole || device.capacityBytes < 0 || device.weight < 0) {
    throw new StoreError('InvalidArgument', { message: 'A device has an identity, and a whole capacity and weight.' });
  }
  if (deviceChanges[before?.state ?? 'absent'][state] === 'refuse') {
    const was = before ? `is ${before.state}` : 'is not known';
    throw refused(`Device ${identity} ${was}: it cannot become ${state}.`);
  }
  const owner = view.node(node);
  if (!owner || (owner.state === 'removed' && state !== 'retired')) {
    throw refused(`Node ${node} is not in the cluster: let it join first.`);
  }
  if (!before && view.counter('devices') >= limits.devices) {
    throw refused(`The cluster has ${limits.devices} devices: remove a node with retired ones first.`);
  }
  return done({ type: 'device.write', device });
}

/** Turns a feature on for good, once every node has a version that knows it. */
export function decideFeature(view: View, { feature }: Of<'feature.enable'>): Decision {
  checkTexts([feature]);
  const enabled = view.features();
  if (enabled.includes(feature)) return done();
  if (enabled.length >= limits.features) throw refused(`The cluster has ${limits.features} features.`);
  const lacks = (node: NodeRecord): boolean => node.state !== 'removed' && !node.features.includes(feature);
  const old = view.nodes().filter(lacks);
  if (feature === '' || old.length > 0) {
    const names = old.map(({ id }) => id).join(', ');
    throw refused(`Nodes that do not know the feature: ${names || 'all'}. Start a newer version on them first.`);
  }
  return done({ type: 'feature.enable', feature });
}

/** What holds for the whole cluster and is nobody's record. */
export function decideSetting(view: View, { name, value }: Of<'setting.write'>): Decision {
  checkTexts([name, value]);
  const settings = view.settings();
  if (settings.get(name) === value) return done();
  if (name === '' || (!settings.has(name) && settings.size >= limits.settings))
    throw refused(`A setting has a name, and there are at most ${limits.settings}.`);
  return done({ type: 'setting.write', name, value });
}
