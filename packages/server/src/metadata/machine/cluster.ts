import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { choice, count, ended, format } from './fields.ts';
import type { AuthorityRecord, DeviceRecord, InvitationRecord, NodeRecord } from './records.ts';

/* Byte forms of what the system shard knows of nodes, devices, invitations and authorities. Fields that the row key holds are repeated: the same bytes travel in log entries. */

const nodeStates = ['joining', 'active', 'draining', 'removed'] as const;
const deviceStates = ['active', 'draining', 'retired'] as const;
const roles = ['gateway', 'metadata', 'storage'] as const;
const authorityStates = ['trusted', 'issuing', 'only'] as const;

export function encodeNode(node: NodeRecord): Buffer {
  const out = new ByteWriter(192).u8(1).string(node.id).string(node.address).string(node.apiAddress).string(node.zone);
  let bits = 0;
  for (const role of node.roles) bits |= 1 << roles.indexOf(role);
  out.u8(bits).u8(nodeStates.indexOf(node.state)).string(node.version).varint(node.features.length);
  for (const feature of node.features) out.string(feature);
  return out.raw(node.incarnation).finish();
}

export function decodeNode(bytes: Uint8Array): NodeRecord {
  const from = new ByteReader(bytes);
  format(from, 1, 'node');
  const node = { id: from.string(), address: from.string(), apiAddress: from.string(), zone: from.string() };
  const bits = from.u8();
  choice([true], bits >> roles.length, 'role');
  const state = choice(nodeStates, from.u8(), 'node state');
  const version = from.string();
  const features = Array.from({ length: count(from) }, () => from.string());
  const kept = roles.filter((_, index) => bits & (1 << index));
  return ended(from, { ...node, roles: kept, state, version, features, incarnation: from.raw(8) });
}

export const encodeDevice = (device: DeviceRecord): Buffer =>
  new ByteWriter(128)
    .u8(1)
    .string(device.identity)
    .string(device.node)
    .string(device.class)
    .varint(device.capacityBytes)
    .varint(device.weight)
    .u8(deviceStates.indexOf(device.state))
    .finish();

export function decodeDevice(bytes: Uint8Array): DeviceRecord {
  const from = new ByteReader(bytes);
  format(from, 1, 'device');
  const device = { identity: from.string(), node: from.string(), class: from.string() };
  const sizes = { capacityBytes: from.varint(), weight: from.varint() };
  return ended(from, { ...device, ...sizes, state: choice(deviceStates, from.u8(), 'device state') });
}

export const encodeInvitation = ({ id, secretHash, createdMs, untilMs, node }: InvitationRecord): Buffer =>
  new ByteWriter(96).u8(1).raw(id).raw(secretHash).u64(createdMs).u64(untilMs).string(node).finish();

export function decodeInvitation(bytes: Uint8Array): InvitationRecord {
  const from = new ByteReader(bytes);
  format(from, 1, 'invitation');
  const { id, secretHash } = { id: from.raw(16), secretHash: from.raw(32) };
  return ended(from, { id, secretHash, createdMs: from.u64(), untilMs: from.u64(), node: from.string() });
}

export function encodeAuthorityRecord({ number, state, certificate, sealed, before }: AuthorityRecord): Buffer {
  const out = new ByteWriter(2048).u8(1).varint(number).u8(authorityStates.indexOf(state));
  out.bytes(certificate).bytes(sealed).varint(before.length);
  for (const one of before) out.bytes(one);
  return out.finish();
}

export function decodeAuthorityRecord(bytes: Uint8Array): AuthorityRecord {
  const from = new ByteReader(bytes);
  format(from, 1, 'authority');
  const [number, state] = [from.varint(), choice(authorityStates, from.u8(), 'state of an authority')];
  const [certificate, sealed] = [from.bytes(), from.bytes()];
  const before = Array.from({ length: count(from) }, () => from.bytes());
  return ended(from, { number, state, certificate, sealed, before });
}
