import { redundancyText } from '../src/durability/index.ts';
import type { Redundancy } from '../src/metadata/index.ts';
import { type DiskFault, lyingFaults } from './world/disk.ts';

/*
 * A scenario: everything that a run is made of, as a text that a person can read, and that gives the same run again. What a seed decides is
 * written out (who does what, what breaks when), so that lines can be taken away one by one; how long each step takes, and what of unsynced
 * bytes a crash leaves, is drawn from the seed while it runs.
 *
 *   seed 17
 *   set devices 3
 *   at 350 power n1
 *   at 600 disk d1 flip for 400 share 0.2
 *   c1 +20 put 17 kept/k2 size=5000 mode=stream
 */

/** What the world is made of. Sizes in bytes, times in ms. */
export interface Settings {
  /** 1: one machine with its own log. More: a cluster that shares a log engine. */
  readonly nodes: number;
  /** Object shards that a cluster begins with; 0: the objects lie in the system shard. */
  readonly shards: number;
  /** Object shards that it is given while it runs, at most. */
  readonly further: number;
  /** Versions in each of its shards beyond which a bucket gets more by itself; 0: the server's usual, which no run comes to. */
  readonly keysPerShard: number;
  /** Zones that the nodes are put into one after the other, when they start: `--zone`; 0: they name none. */
  readonly zones: number;
  /** Of each node. */
  readonly devices: number;
  readonly threads: number;
  /** Copies asked for by both buckets; 0: the server's usual. */
  readonly copies: number;
  /** A code of so many data and parity fragments, asked for by both buckets; 0: none. */
  readonly data: number;
  readonly parity: number;
  readonly slabBytes: number;
  readonly deviceBytes: number;
  readonly logBytes: number;
  readonly cacheBytes: number;
  /** 1: bytes are stored without encryption. */
  readonly plain: number;
  /** Usual duration of a call to a disk. */
  readonly paceMs: number;
  /** Usual time of a message between two nodes. */
  readonly networkMs: number;
  /** 1: there are buckets besides that lock, have a quota, or have a lifecycle (ruled.ts). */
  readonly ruled: number;
  /** 1: there is a bucket besides whose objects get other names (renames.ts). */
  readonly renamed: number;
}

export type Fault =
  | { readonly kind: 'power' | 'kill' | 'stop' | 'forget' | 'checkpoint'; readonly node: string }
  | { readonly kind: 'pause' | 'clock' | 'unlog'; readonly node: string; readonly ms: number }
  /** Nothing passes from one node to the other. */
  | { readonly kind: 'cut'; readonly node: string; readonly to: string; readonly ms: number }
  /** A machine more. Drained: its bytes go elsewhere, then it is removed. */
  | { readonly kind: 'join' | 'drain'; readonly node: string }
  | { readonly kind: 'retire'; readonly disk: string }
  | { readonly kind: 'rebalance' }
  /** Whoever runs the store has a bucket kept in another way from now on. */
  | { readonly kind: 'redundancy'; readonly bucket: string; readonly to: Redundancy }
  /** Whoever runs the cluster says that a node stands in another zone. */
  | { readonly kind: 'label'; readonly node: string; readonly zone: string }
  /** All nodes of a zone at once: without power for so long, or cut off from all others and from the log. */
  | { readonly kind: 'blackout'; readonly zone: string; readonly ms: number }
  | { readonly kind: 'isolate'; readonly zone: string; readonly ms: number }
  /** The cluster is to have so many object shards; a bucket gets twice as many as it has. */
  | { readonly kind: 'grow'; readonly shards: number }
  | { readonly kind: 'reshard'; readonly bucket: string }
  /** The log engine takes the log of a shard (the system shard when left out) away from its owner. */
  | { readonly kind: 'depose'; readonly shard?: number }
  /** The index of the device is lost; its process is killed and starts again. */
  | { readonly kind: 'index'; readonly disk: string }
  | {
      readonly kind: 'disk';
      readonly disk: string;
      readonly fault: DiskFault;
      readonly ms: number;
      readonly share: number;
    };

/** The members of the cluster change, or how bytes are kept: what takes its time, also when nothing breaks any more. */
export const isChange = ({ kind }: Fault): boolean =>
  ['join', 'drain', 'retire', 'rebalance', 'redundancy', 'label', 'grow', 'reshard'].includes(kind);

export interface TimedFault {
  readonly at: number;
  readonly fault: Fault;
}

const operationKinds = [
  'put',
  'get',
  'delete',
  'delete-old',
  'append',
  'copy',
  'patch',
  'list',
  'upload',
  'lock',
  'delete-version',
  'rename',
] as const;
export type OperationKind = (typeof operationKinds)[number];

/** One thing that a client does, after it has done what stands before and waited. */
export interface Operation {
  readonly client: string;
  readonly wait: number;
  readonly kind: OperationKind;
  /** Number of the write: its bytes follow from it. */
  readonly write: number;
  readonly bucket: string;
  readonly key: string;
  readonly with: Readonly<Record<string, string>>;
}

export interface Scenario {
  readonly seed: number;
  readonly settings: Settings;
  readonly faults: readonly TimedFault[];
  readonly operations: readonly Operation[];
}

/** What a text need not say: older ones know nothing of it. */
const usualSettings: Partial<Settings> = {
  shards: 0,
  further: 0,
  keysPerShard: 0,
  zones: 0,
  ruled: 0,
  renamed: 0,
};

const settingNames = [
  'nodes',
  'shards',
  'further',
  'keysPerShard',
  'zones',
  'devices',
  'threads',
  'copies',
  'data',
  'parity',
  'slabBytes',
  'deviceBytes',
  'logBytes',
  'cacheBytes',
  'plain',
  'paceMs',
  'networkMs',
  'ruled',
  'renamed',
] as const satisfies readonly (keyof Settings)[];

function faultText(fault: Fault): string {
  switch (fault.kind) {
    case 'pause':
    case 'clock':
    case 'unlog':
      return `${fault.kind} ${fault.node} ${fault.ms}`;
    case 'cut':
      return `cut ${fault.node} to ${fault.to} for ${fault.ms}`;
    case 'depose':
      return fault.shard === undefined ? 'depose' : `depose ${fault.shard}`;
    case 'redundancy':
      return `redundancy ${fault.bucket} ${redundancyText(fault.to)}`;
    case 'label':
      return `label ${fault.node} ${fault.zone}`;
    case 'blackout':
    case 'isolate':
      return `${fault.kind} ${fault.zone} ${fault.ms}`;
    case 'grow':
      return `grow ${fault.shards}`;
    case 'reshard':
      return `reshard ${fault.bucket}`;
    case 'rebalance':
      return fault.kind;
    case 'index':
    case 'retire':
      return `${fault.kind} ${fault.disk}`;
    case 'disk':
      return `disk ${fault.disk} ${fault.fault} for ${fault.ms} share ${fault.share}`;
    default:
      return `${fault.kind} ${fault.node}`;
  }
}

export function operationText({ client, wait, kind, write, bucket, key, with: given }: Operation): string {
  const more = Object.entries(given).map(([name, value]) => ` ${name}=${value}`);
  return `${client} +${wait} ${kind} ${write} ${bucket}/${key}${more.join('')}`;
}

/** @param notes lines to begin with: what went wrong, and how to replay */
export function printScenario(scenario: Scenario, notes: readonly string[] = []): string {
  const lines = [
    ...notes.map((note) => `# ${note}`),
    `seed ${scenario.seed}`,
    ...settingNames.map((name) => `set ${name} ${scenario.settings[name]}`),
    ...scenario.faults.map(({ at, fault }) => `at ${at} ${faultText(fault)}`),
    ...scenario.operations.map(operationText),
  ];
  return `${lines.join('\n')}\n`;
}

const numberOf = (text: string | undefined, line: string): number => {
  const value = Number(text);
  if (text === undefined || text === '' || !Number.isFinite(value)) throw new Error(`a number is missing in: ${line}`);
  return value;
};

/** `copies=2` or `2+1`. */
function parseRedundancy(text: string | undefined, line: string): Redundancy {
  const [, copies, data, parity] = /^(?:copies=(\d+)|(\d+)\+(\d+))$/.exec(text ?? '') ?? [];
  return copies === undefined
    ? { data: numberOf(data, line), parity: numberOf(parity, line) }
    : { copies: Number(copies) };
}

function parseFault(words: readonly string[], line: string): Fault {
  const [kind, a, b, c, d, , e] = words;
  const whole = ['power', 'kill', 'stop', 'forget', 'checkpoint', 'join', 'drain'] as const;
  const lasting = ['pause', 'clock', 'unlog'] as const;
  for (const one of whole) if (kind === one && a !== undefined) return { kind: one, node: a };
  for (const one of lasting) if (kind === one && a !== undefined) return { kind: one, node: a, ms: numberOf(b, line) };
  if ((kind === 'blackout' || kind === 'isolate') && a !== undefined) return { kind, zone: a, ms: numberOf(b, line) };
  if (kind === 'label' && a !== undefined && b !== undefined) return { kind, node: a, zone: b };
  if (kind === 'grow') return { kind, shards: numberOf(a, line) };
  if (kind === 'reshard' && a !== undefined) return { kind, bucket: a };
  if (kind === 'rebalance') return { kind };
  if (kind === 'depose') return { kind, ...(a !== undefined && { shard: numberOf(a, line) }) };
  if (kind === 'redundancy' && a !== undefined) return { kind, bucket: a, to: parseRedundancy(b, line) };
  if (kind === 'cut' && a !== undefined && c !== undefined)
    return { kind, node: a, to: c, ms: numberOf(words[5], line) };
  if ((kind === 'index' || kind === 'retire') && a !== undefined) return { kind, disk: a };
  if (kind === 'disk' && a !== undefined && diskFaults.includes(b as DiskFault)) {
    return { kind, disk: a, fault: b as DiskFault, ms: numberOf(d, line), share: numberOf(e, line) };
  }
  throw new Error(`nobody knows this fault: ${line}`);
}

const diskFaults: readonly DiskFault[] = [
  'read-error',
  'start-error',
  'write-error',
  'sync-error',
  'full',
  'slow',
  ...lyingFaults,
];

function parseOperation(words: readonly string[], line: string): Operation {
  const [client, wait, kind, write, target, ...more] = words;
  const [bucket, key] = target?.split('/') ?? [];
  if (
    !client ||
    !wait?.startsWith('+') ||
    !operationKinds.includes(kind as OperationKind) ||
    !bucket ||
    key === undefined
  ) {
    throw new Error(`nobody knows this line: ${line}`);
  }
  const given = more.map((one) => one.split('=') as [string, string]);
  return {
    client,
    wait: numberOf(wait.slice(1), line),
    kind: kind as OperationKind,
    write: numberOf(write, line),
    bucket,
    key,
    with: Object.fromEntries(given),
  };
}

/** @throws Error naming the line that cannot be understood */
export function parseScenario(text: string): Scenario {
  let seed: number | undefined;
  const settings = new Map<string, number>();
  const faults: TimedFault[] = [];
  const operations: Operation[] = [];
  for (const line of text.split('\n').map((one) => one.replace(/#.*/, '').trim())) {
    if (line === '') continue;
    const words = line.split(/\s+/);
    if (words[0] === 'seed') seed = numberOf(words[1], line);
    else if (words[0] === 'set') settings.set(words[1] ?? '', numberOf(words[2], line));
    else if (words[0] === 'at') faults.push({ at: numberOf(words[1], line), fault: parseFault(words.slice(2), line) });
    else operations.push(parseOperation(words, line));
  }
  if (seed === undefined) throw new Error('a scenario names its seed: seed 1');
  const all = { ...usualSettings, ...Object.fromEntries(settings) } as Settings;
  for (const name of settingNames) if (!(name in all)) throw new Error(`a scenario says: set ${name} …`);
  return { seed, settings: all, faults, operations };
}
