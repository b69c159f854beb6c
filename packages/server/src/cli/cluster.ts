/* `cluster`, `node` and `device`: the cluster as an operator sees and changes it. */
import type { DeviceChange, NodeChange } from '@dsom/sdk';
import type { Command } from 'commander';
import { limits } from '../limits.ts';
import { isLine, type Line, list, part as partOf, short, size, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { Context } from './context.ts';
import { formatTable, printable } from './format.ts';
import { addMemberCommands, featureLines } from './members.ts';
import { addMoveCommands, rebalanceLines, repairLines, stuckLine } from './moves.ts';
import { addShardCommands } from './shards.ts';

/** That nothing was heard of the others' changes: undefined while the log is heard. */
function silentLine({ staleMs, node }: Line): string | undefined {
  if (typeof staleMs !== 'number' || staleMs < limits.staleMs) return undefined;
  return `silent    the log (etcd) has not answered for ${Math.round(staleMs / 1000)} s: this is what node ${short(node)} knew then, and sees of the others now`;
}

/** One part of what the server tells of its cluster, as a table or, with `--json`, a line each. */
async function show(
  context: Context,
  part: 'nodes' | 'devices' | 'groups' | 'shards',
  head: readonly string[],
  row: (line: Line) => readonly string[],
): Promise<void> {
  const status = await context.client().admin.cluster({ signal: context.signal });
  const lines = list(status[part]);
  context.succeed();
  if (context.options.json) for (const line of lines) await context.result(line);
  else
    await context.result(
      undefined,
      formatTable([head.map((name) => name.toUpperCase()), ...lines.map((line) => [...row(line)])]),
    );
  const waits = part === 'nodes' || part === 'devices' ? stuckLine(partOf(status, 'repair')) : undefined;
  for (const remark of [silentLine(status), waits]) if (remark !== undefined) context.note(remark);
}

const nodeRow = (node: Line): readonly string[] => [
  short(node['id']),
  text(node['state']),
  node['reachable'] === false ? 'away' : node['leads'] === true ? 'leads' : 'here',
  text(node['zone'] || '-'),
  Array.isArray(node['roles']) ? node['roles'].map(String).join(',') : '-',
  text(node['apiAddress']),
  text(node['applied']),
];

const deviceRow = (device: Line): readonly string[] => [
  short(device['identity']),
  short(device['node']),
  text(device['state']),
  text(device['health']),
  text(device['class']),
  size(device['capacityBytes']),
  size(device['freeBytes']),
];

const groupRow = (group: Line): readonly string[] => [
  text(group['id']),
  text(group['epoch']),
  text(group['scheme']),
  Array.isArray(group['devices']) ? group['devices'].map(short).join(' ') : '-',
];

const shardRow = (shard: Line): readonly string[] => [
  text(shard['shard']),
  text(shard['holds']),
  short(shard['owner']),
  text(shard['epoch']),
  text(shard['position']),
];

/** Whether every object shard has an owner; none where all objects are in the system shard. */
function shardLines(shards: readonly Line[]): readonly string[] {
  const holding = shards.filter((shard) => shard['holds'] === 'objects');
  const idle = holding.filter((shard) => shard['owner'] === null);
  if (holding.length === 0) return [];
  const lacks = idle.map((shard) => text(shard['shard'])).join(' ');
  return [
    `shards    ${holding.length} ${holding.length === 1 ? 'holds' : 'hold'} objects, ${lacks === '' ? 'each with an owner' : `no node owns ${lacks}: writes there wait`}`,
  ];
}

function etcdText(members: unknown): string {
  if (!Array.isArray(members)) return 'does not answer';
  const all = list(members);
  const own = all.flatMap((one) => (one['node'] === null ? [] : [short(one['node'])]));
  const learning = all.filter((one) => one['votes'] === false).length;
  return `${all.length} ${all.length === 1 ? 'member' : 'members'}${own.length > 0 ? `, on nodes ${own.join(' ')}` : ''}${learning > 0 ? `, ${learning} without a vote yet` : ''}`;
}

async function status(context: Context): Promise<void> {
  const found = await context.client().admin.cluster({ signal: context.signal });
  // What was given up is listed by `cluster nodes` and `cluster devices`, and nobody waits for it.
  const nodes = list(found['nodes']).filter((node) => node['state'] !== 'removed');
  const devices = list(found['devices']).filter(
    (device) => device['health'] !== 'removed' && (device['state'] !== 'retired' || device['health'] === 'good'),
  );
  const away = nodes.filter((node) => node['reachable'] === false);
  const sick = devices.filter((device) => device['health'] !== 'good');
  const silent = silentLine(found);
  context.succeed();
  await context.result(found, [
    `cluster   ${text(found['cluster'])}  (store ${text(found['store'])})`,
    `answers   node ${short(found['node'])}`,
    ...(silent === undefined ? [] : [silent]),
    `shard     ${found['leader'] === null ? 'no node owns it: writes wait' : `owned by node ${short(found['leader'])}`}, position ${text(found['position'])}, epoch ${text(found['epoch'])}`,
    ...shardLines(list(found['shards'])),
    `nodes     ${nodes.length}${away.length > 0 ? `, ${away.length} away: ${away.map((node) => short(node['id'])).join(' ')}` : ', all here'}`,
    `devices   ${devices.length}${sick.length > 0 ? `, ${sick.length} not good: ${sick.map((device) => `${short(device['identity'])} ${text(device['health'])}`).join(', ')}` : ', all good'}`,
    `groups    ${list(found['groups']).length}`,
    `etcd      ${etcdText(found['etcd'])}`,
    ...(isLine(found['repair']) && found['repair']['done'] !== true ? repairLines(found['repair']) : []),
    ...(isLine(found['rebalance']) && found['rebalance']['state'] !== 'stopped'
      ? rebalanceLines(found['rebalance'])
      : []),
    ...featureLines(found['features']),
    ...(Array.isArray(found['degraded']) ? found['degraded'].map((one) => `degraded  ${printable(String(one))}`) : []),
  ]);
}

async function changeNode(context: Context, id: string, change: NodeChange): Promise<void> {
  const found = await context.client().admin.node(id, change, { signal: context.signal });
  context.succeed();
  await context.result(found, [
    `node ${text(found['id'])} is ${text(found['state'])}${found['zone'] ? `, zone ${text(found['zone'])}` : ''}`,
  ]);
}

async function changeDevice(context: Context, id: string, change: DeviceChange): Promise<void> {
  const found = await context.client().admin.device(id, change, { signal: context.signal });
  context.succeed();
  const elsewhere = Number(found['groupsElsewhere'] ?? 0);
  await context.result(found, [
    `device ${text(found['identity'])} is ${text(found['state'])}`,
    ...(found['by'] === undefined
      ? []
      : [`device ${text(found['by'])} takes its place in ${text(found['groups'])} placement groups`]),
    ...(elsewhere > 0 ? [`${elsewhere} groups may not lie on it, and go to other devices`] : []),
  ]);
}

export function addClusterCommands(program: Command, run: Run): void {
  const cluster = program.command('cluster').description('the cluster as one of its nodes sees it');
  clientCommand(cluster, 'status', 'who leads, what is away, what is degraded', { isDefault: true }).action(
    run(status),
  );
  clientCommand(cluster, 'nodes', 'list nodes').action(
    run((context) =>
      show(context, 'nodes', ['node', 'state', 'seen', 'zone', 'roles', 'endpoint', 'applied'], nodeRow),
    ),
  );
  clientCommand(cluster, 'devices', 'list devices').action(
    run((context) =>
      show(context, 'devices', ['device', 'node', 'state', 'health', 'class', 'capacity', 'free'], deviceRow),
    ),
  );
  clientCommand(cluster, 'groups', 'list placement groups').action(
    run((context) => show(context, 'groups', ['group', 'epoch', 'scheme', 'devices'], groupRow)),
  );
  const shards = cluster.command('shards').description('shards of the metadata');
  addShardCommands(program, shards, run);
  clientCommand(shards, 'list', 'list them', { isDefault: true }).action(
    run((context) => show(context, 'shards', ['shard', 'holds', 'owner', 'epoch', 'position'], shardRow)),
  );
  addMemberCommands(cluster, run);
  addMoveCommands(program, cluster, run);
  const node = program.command('node').description('change a node of the cluster');
  const actions = [
    ['drain', 'move its bytes to other nodes while it serves'],
    ['activate', 'take it into use again'],
    ['remove', 'take a node out that is gone for good'],
  ] as const;
  for (const [action, what] of actions)
    clientCommand(node, `${action} <node>`, what).action(
      run((context, [id = '']) => changeNode(context, id, { action })),
    );
  clientCommand(node, 'label <node> <zone>', 'say in which zone it stands').action(
    run((context, [id = '', zone = '']) => changeNode(context, id, { action: 'label', zone })),
  );
  const device = program.command('device').description('change a device of the cluster');
  const deviceActions = [
    ['drain', 'move its bytes to other devices while it serves'],
    ['activate', 'take it into use again'],
    ['retire', 'move its bytes away for good: it may be lost already'],
  ] as const;
  for (const [action, what] of deviceActions)
    clientCommand(device, `${action} <device>`, what).action(
      run((context, [id = '']) => changeDevice(context, id, { action })),
    );
  clientCommand(device, 'replace <device> <new-device>', 'give its places to a new one, and retire it').action(
    run((context, [id = '', by = '']) => changeDevice(context, id, { action: 'replace', by })),
  );
}
