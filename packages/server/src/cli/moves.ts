/* `repair`, `rebalance` and `cluster risk`: fragments that are missing or on their way, and what may be lost. */
import type { RebalanceChange } from '@dsom/sdk';
import type { Command } from 'commander';
import { isLine, type Line, list, part, short, size, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode } from './exit.ts';
import { formatSize, formatTable, parseSize, printable } from './format.ts';

/** `3 h 12 min`, the two largest units. */
function duration(value: unknown): string {
  if (typeof value !== 'number') return '-';
  const units: readonly (readonly [number, string])[] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const at = units.findIndex(([seconds]) => value >= seconds);
  if (at < 0) return '0 s';
  const parts: string[] = [];
  let rest = Math.round(value);
  for (const [seconds, unit] of units.slice(at, at + 2)) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.join(' ');
}

/** What cannot go on by itself: what leaves finds no other place. */
export function stuckLine(repair: Line): string | undefined {
  const { needs } = repair;
  return typeof needs === 'string' ? `waits     ${printable(needs)}` : undefined;
}

/** What each node has still to do, as `cluster status` shows it too. */
export function repairLines(repair: Line): string[] {
  const nodes = list(repair['nodes']);
  const stuck = stuckLine(repair);
  const table = formatTable([
    ['NODE', 'TO WRITE', 'BYTES', 'RATE', 'LEFT', 'TO HAND OVER', 'KNOWN'],
    ...nodes.map((node) => {
      const write = part(node, 'toWrite');
      return [
        short(node['node']),
        text(write['fragments']),
        size(write['bytes']),
        write['bytesPerSecond'] === undefined ? '-' : `${size(write['bytesPerSecond'])}/s`,
        duration(write['seconds']),
        text(part(node, 'toHandOver')['fragments']),
        node['complete'] === true ? 'all written' : write['fragments'] === undefined ? 'does not answer' : 'looking',
      ];
    }),
  ]);
  return [
    ...(stuck === undefined ? [] : [stuck]),
    ...recodeLines(part(repair, 'recode')),
    whereaboutsOf(repair),
    ...table,
  ];
}

/** What is known of fragments that are not where they should be. A node that looks has found none of them missing yet. */
function whereaboutsOf(repair: Line): string {
  if (repair['done'] === true) return 'every fragment is where it should be';
  const nodes = list(repair['nodes']);
  const left = nodes.flatMap((node) => [part(node, 'toWrite')['fragments'], part(node, 'toHandOver')['fragments']]);
  if (left.some((count) => Number(count ?? 0) > 0)) return 'fragments are missing, or on their way';
  return left.includes(undefined)
    ? 'fragments may be missing: not every node answers'
    : 'it is looked whether fragments are missing: none is known to be';
}

/** How far versions are kept as their bucket, storage class or own redundancy says. */
function recodeLines(recode: Line): string[] {
  const progress = part(recode, 'progress');
  const failed = Number(recode['failed'] ?? 0);
  const written = `${text(recode['stripes'])} stripes (${size(recode['bytes'])}) written anew`;
  if (recode['complete'] === true)
    return Number(recode['stripes'] ?? 0) > 0 ? [`redundancy as wanted: ${written}`] : [];
  if (recode['complete'] === undefined) return [];
  const eta = progress['etaMs'];
  const looked = `${text(progress['done'])} of ${text(progress['total'])} versions looked at`;
  const left = typeof eta === 'number' ? `, ${duration(eta / 1000)} left` : '';
  return [
    `redundancy is being changed: ${written}, ${looked}${left}${failed > 0 ? `; ${failed} could not be, and are tried again` : ''}`,
  ];
}

/** All nodes together, in one line. */
export function repairProgress(repair: Line): string {
  const nodes = list(repair['nodes']);
  const sum = (of: (node: Line) => unknown): number => nodes.reduce((all, node) => all + Number(of(node) ?? 0), 0);
  const left = sum((node) => part(node, 'toWrite')['fragments']);
  const rate = sum((node) => part(node, 'toWrite')['bytesPerSecond']);
  const over = sum((node) => part(node, 'toHandOver')['fragments']);
  const longest = Math.max(0, ...nodes.map((node) => Number(part(node, 'toWrite')['seconds'] ?? 0)));
  const time = left > 0 && longest > 0 ? `, ${duration(longest)} left` : '';
  const silent = nodes.filter((node) => !isLine(node['toWrite'])).length;
  const unknown = silent > 0 ? `; not answering: ${silent} of ${nodes.length}` : '';
  return `${left} fragments to write, ${formatSize(rate)}/s${time}; ${over} to hand over${unknown}`;
}

/** What a node of a cluster says of the others is less old than this: all of it must have been done for so long. */
const settledMs = 4000;

/** Tells how far it is, until all is done, or nothing more can be, or the user has seen enough. */
async function watch(context: Context): Promise<void> {
  const { clock } = context.host;
  let told: string | undefined;
  let doneAt: number | undefined;
  let lostAt: number | undefined;
  let before = '';
  for (;;) {
    const found = await context.client().admin.repair({ signal: context.signal });
    const progress = repairProgress(found);
    // What is handed over beside it goes on for as long as it gets on.
    if (found['onlyLost'] !== true || progress !== before) lostAt = undefined;
    if (found['onlyLost'] === true) {
      lostAt ??= clock.monotonic();
      if (clock.monotonic() - lostAt >= settledMs) break;
    }
    before = progress;
    if (found['done'] === true) {
      const now = clock.monotonic();
      doneAt ??= now;
      if (list(found['nodes']).length === 0 || now - doneAt >= settledMs) break;
    } else doneAt = undefined;
    const stuck = stuckLine(found);
    if (stuck !== undefined && stuck !== told) context.note(stuck);
    told = stuck;
    context.lastLine(progress);
    await context.host.timers.sleep(1000, context.signal);
  }
  context.beforeNote();
}

async function repairStatus(context: Context, options: CommonOptions & { readonly wait?: boolean }): Promise<void> {
  if (options.wait) await watch(context);
  const found = await context.client().admin.repair({ signal: context.signal });
  context.succeed();
  await context.result(found, repairLines(found));
  if (options.wait && found['done'] !== true)
    throw new CommandError(
      exitCode.damaged,
      `the wait is over, and ${text(found['lost'])} copies cannot be written: nothing is left to write them from`,
      '`dsom fsck` names the objects: restore them from a backup, or delete them. Then wait again.',
    );
}

async function risk(context: Context): Promise<void> {
  const found = await context.client().admin.risk({ signal: context.signal });
  const unknown = Array.isArray(found['notKnownOn']) ? found['notKnownOn'] : [];
  const hours = Number(found['repairHours']) * 3600;
  context.succeed();
  await context.result(found, [
    `missing   ${text(found['fragmentsMissing'])} fragments${unknown.length > 0 ? `; not known on ${unknown.map((id) => short(id)).join(' ')}` : ''}`,
    `moving    ${text(found['fragmentsMoving'])} fragments`,
    `short     ${text(found['groupsShort'])} placement groups have a device that is away`,
    ...orderLines(found['decidingZone']),
    `repair    ${duration(hours)} for the largest device, ${found['repairMeasured'] === true ? `as measured (${size(found['repairBytesPerSecond'])}/s)` : 'not measured yet: at the limit'}`,
    `scrub     ${found['oldestScrubSeconds'] === null ? 'not every node has ended one' : `the oldest is ${duration(found['oldestScrubSeconds'])} old`}`,
    ...list(found['schemes']).map((scheme) =>
      scheme['refused'] === undefined
        ? `durable   ${text(scheme['survives'])}; ${text(scheme['nines'])} nines in a year by the model, held down by ${text(scheme['cappedBy'])}${belowText(scheme, found)}${crowdedText(scheme)}`
        : `durable   ${text(scheme['scheme'])}: ${text(scheme['refused'])}`,
    ),
  ]);
}

/** Of objects, and of parts of open uploads, that have fewer copies than new ones get: from a time with fewer nodes, or because that was asked for. */
function belowText({ belowDefault }: Line, found: Line): string {
  if (belowDefault === undefined) return '';
  const groups = Number(belowDefault) === 1 ? '1 placement group holds' : `${text(belowDefault)} placement groups hold`;
  const usual = text(list(found['schemes'])[0]?.['scheme']);
  return `: ${groups} such objects, written with fewer nodes or by choice (\`dsom redundancy s3://BUCKET ${usual}\` gives those of a bucket as many as new ones get; parts of uploads that have not ended follow once those are completed, or go when they are aborted)`;
}

/** Where most members of etcd are in one zone. */
function orderLines(deciding: unknown): string[] {
  if (typeof deciding !== 'object' || deciding === null) return [];
  const { zone, members, of } = deciding as Line;
  return [
    `order     zone ${text(zone)} has ${text(members)} of ${text(of)} members of etcd: without it no write is taken`,
  ];
}

/** Of objects whose copies or fragments lie on fewer zones or nodes than those of new ones. */
function crowdedText({ crowded }: Line): string {
  if (crowded === undefined) return '';
  const groups = Number(crowded) === 1 ? '1 placement group lies' : `${text(crowded)} placement groups lie`;
  return `; ${groups} on fewer zones or nodes than new objects do (\`dsom rebalance start\` spreads them)`;
}

export function rebalanceLines(found: Line): string[] {
  return [
    `rebalance ${text(found['state'])}${found['waitsFor'] === null || found['waitsFor'] === undefined ? '' : `, waits: ${text(found['waitsFor'])}`}`,
    `limit     ${size(found['bytesPerSecond'])}/s on each node, repairs included`,
    `moved     ${text(found['moved'])} members of groups, ${size(found['movedBytes'])}, since this owner leads`,
    `left      ${text(found['left'])} members, ${size(found['leftBytes'])}`,
  ];
}

async function changeRebalance(context: Context, change: RebalanceChange): Promise<void> {
  const found = await context.client().admin.rebalance(change, { signal: context.signal });
  context.succeed();
  await context.result(found, rebalanceLines(found));
}

export function addMoveCommands(program: Command, cluster: Command, run: Run): void {
  clientCommand(cluster, 'risk', 'what is below full redundancy, and what may be lost').action(
    run((context) => risk(context)),
  );
  const repair = program.command('repair').description('fragments that are missing or on their way');
  clientCommand(repair, 'status', 'what each node has still to write, rate and time left', { isDefault: true })
    .option('--wait', 'until every fragment is where it should be')
    .action(run((context, _, options: CommonOptions & { wait?: boolean }) => repairStatus(context, options)));
  const rebalance = program.command('rebalance').description('even out what devices hold, as after a node was added');
  clientCommand(rebalance, 'status', 'how far it is', { isDefault: true }).action(
    run(async (context) => {
      const found = await context.client().admin.rebalanceStatus({ signal: context.signal });
      context.succeed();
      await context.result(found, rebalanceLines(found));
    }),
  );
  clientCommand(rebalance, 'start', 'begin, or go on').action(
    run((context) => changeRebalance(context, { action: 'start' })),
  );
  clientCommand(rebalance, 'pause', 'plan nothing more; what is under way ends').action(
    run((context) => changeRebalance(context, { action: 'pause' })),
  );
  clientCommand(rebalance, 'limit <size>', 'bytes that each node writes in a second, for this and for repairs').action(
    run((context, [limit = '']) => changeRebalance(context, { action: 'limit', bytesPerSecond: parseSize(limit) })),
  );
}
