import { damagedLogText } from './damaged-log.ts';
import type { Roles } from './directories.ts';
import type { Owner } from './owner.ts';

/** What an operator sees at the start of a server. */
export interface Banner {
  readonly endpoint: string;
  readonly version: string;
  readonly devices: readonly {
    readonly identity: string;
    readonly folder: string;
    readonly freeBytes: number;
    readonly health: string;
  }[];
  readonly copies: number;
  /** Undefined where the server is alone. */
  readonly cluster:
    | { readonly name: string; readonly node: string; readonly nodes: number; readonly between: string }
    | undefined;
  readonly roles: Roles;
  readonly workers: number;
  /** Root keys made by this start: shown this once. */
  readonly newRoot: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly rootFromEnvironment: boolean;
  /** See `RootKey.lacking`. */
  readonly rootLacking: boolean;
  /** File of a certificate that is its own authority, which clients must be told to trust. */
  readonly ownAuthority: string | undefined;
  readonly warnings: readonly string[];
}

const sizeText = (bytes: number) =>
  bytes < 1024 ** 3 ? `${Math.floor(bytes / 1024 ** 2)} MiB` : `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/** What this layout of devices keeps and what it does not: the failure domain of one machine is the device. */
function durabilityText(devices: number, copies: number, { primary, mirror }: Roles): string[] {
  if (devices === 1 || mirror === undefined)
    return [
      'kept      every acknowledged write is on the device (synced) before the answer: a crash or power loss takes nothing back',
      'not kept  one device holds the only copy: if it dies, the objects are gone. Give a second --data on another disk for two copies.',
    ];
  return [
    `kept      every acknowledged write has ${copies} copies on different devices, synced before the answer: any one device may die`,
    `          metadata is in ${primary}, and can be made anew from ${mirror}: both have the log and the keys`,
    'not kept  all devices are in this machine: its loss is the loss of the store. Keep a backup of keys/keyring elsewhere.',
  ];
}

/** @param why as {@link Owner.rebuilt} says */
const rebuiltStateText = (why: string): string =>
  `the metadata was made anew: ${why}. Nothing acknowledged is missing. Look at the disk, and at who may have removed or changed it`;

/** What an operator should know of the metadata after a start. */
export function metadataTexts({ roles, rebuilt, directories, missing, mirror }: Owner): string[] {
  const known = (directory: string | undefined) => directories.all.find((one) => one.path === directory);
  const promoted = known(roles.primary)?.role;
  return [
    ...(promoted !== undefined && promoted !== 'primary'
      ? [`the directory that held the metadata is not here: ${roles.primary} has taken its place`]
      : []),
    ...(rebuilt === undefined ? [] : [rebuiltStateText(rebuilt)]),
    ...(roles.mirror === undefined && missing.length > 0
      ? [
          'the metadata, the log and the keys have no second copy while the other directory is away: give it back, or an empty one in its place',
        ]
      : []),
    ...mirror().damaged.map(damagedLogText),
    ...(roles.mirror !== undefined && !directories.fresh && !mirror().whole
      ? [`the copy of the metadata in ${roles.mirror} is new and not whole yet; \`dsom doctor\` tells when it is`]
      : []),
  ];
}

/** What a cluster keeps: the failure domain is the node. */
function clusterText({ nodes }: { readonly nodes: number }, copies: number): string[] {
  const may =
    copies >= 3
      ? 'one node may die, and writes go on'
      : copies === 2
        ? 'one node may die, and nothing is lost; writes wait for it'
        : 'no node may die';
  return [
    `kept      every acknowledged write has ${copies} ${copies === 1 ? 'copy' : 'copies on different nodes, a quorum of them synced'} before the answer: ${may}`,
    ...(nodes < 3
      ? [
          `not kept  a cluster of ${nodes} does not survive what one of 3 does. \`dsom cluster invite\` makes the line that a further node joins with.`,
        ]
      : []),
  ];
}

/** Warning of a server that was told not to encrypt. */
export const notEncryptedText =
  'encryption is off: new objects are stored as plain bytes, and who can read the disks can read them. What was stored before stays as it is.';

/** Warning of a server whose days are short. */
export const shortDaysText = (seconds: number): string =>
  `a day of lifecycles lasts ${seconds} seconds (DSOM_LIFECYCLE_DAY_SECONDS): objects expire as much earlier. This is for tests.`;

/** The text printed once the server is ready. */
export function bannerText(banner: Banner): string {
  const { endpoint, newRoot } = banner;
  const lines = [
    `DSOM ${banner.version} is ready`,
    '',
    `  endpoint  ${endpoint}   (S3 at /, native API at ${endpoint}/-/v1/)`,
    `  health    ${endpoint}/-/health/ready      metrics ${endpoint}/-/metrics`,
  ];
  for (const device of banner.devices)
    lines.push(
      `  device    ${device.folder}  ${sizeText(device.freeBytes)} free, ${device.health}  (${device.identity})`,
    );
  const { cluster } = banner;
  if (cluster)
    lines.push(
      `  cluster   ${cluster.name}: node ${cluster.node} of ${cluster.nodes}, for other nodes at ${cluster.between}`,
    );
  const durability = cluster
    ? clusterText(cluster, banner.copies)
    : durabilityText(banner.devices.length, banner.copies, banner.roles);
  lines.push(...durability.map((line) => `  ${line}`));
  for (const warning of banner.warnings) lines.push(`  WARNING   ${warning}`);
  if (newRoot) {
    lines.push(
      '',
      '  Root keys, made now and never shown again (keep them; or set DSOM_ROOT_ACCESS_KEY_ID and DSOM_ROOT_SECRET_ACCESS_KEY to bring your own):',
    );
    lines.push(`    access key id      ${newRoot.accessKeyId}`, `    secret access key  ${newRoot.secretAccessKey}`);
  } else {
    lines.push(
      banner.rootFromEnvironment
        ? '  keys      root keys are those of the environment'
        : banner.rootLacking
          ? '  keys      this node knows no root key: start it with the DSOM_ROOT_ACCESS_KEY_ID and DSOM_ROOT_SECRET_ACCESS_KEY of the other nodes'
          : '  keys      root keys are those printed at the first start',
    );
  }
  const trust = banner.ownAuthority === undefined ? '' : ` --ca ${banner.ownAuthority}`;
  lines.push('', '  Try:');
  if (newRoot)
    lines.push(
      `    npx dsom profile add local --endpoint ${endpoint}${trust} --access-key-id ${newRoot.accessKeyId} --secret-access-key ${newRoot.secretAccessKey} --use`,
    );
  else
    lines.push(
      `    npx dsom profile add local --endpoint ${endpoint}${trust} --access-key-id … --secret-access-key … --use`,
    );
  lines.push('    npx dsom mb s3://first && npx dsom cp README.md s3://first/', '    npx dsom ls s3://first', '');
  return lines.join('\n');
}
