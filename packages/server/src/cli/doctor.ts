import { type DsomClient, DsomError } from '@dsom/sdk';
import type { Command } from 'commander';
import { formatRemote, parseBucket } from './address.ts';
import { type Line, part } from './answer.ts';
import { clientCommand, collect, type Examined, type Run, type Services } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { examineTls } from './doctor-tls.ts';
import { CommandError, type ExitCode, exitCode, verdictOf } from './exit.ts';
import { formatSize, printable } from './format.ts';

export interface Finding extends Omit<Examined, 'test'> {
  readonly exit?: ExitCode;
}

const ok = (detail: string): Finding => ({ outcome: 'ok', detail });
const warning = (detail: string, advice: string): Finding => ({ outcome: 'warning', detail, advice });

const marks: Readonly<Record<Finding['outcome'], string>> = { ok: '✓', warning: '!', failed: '✗' };

/** Clocks further apart than this make signatures fail; from a third on it is worth a word. */
const skewMaxMs = 15 * 60 * 1000;

class Examination {
  readonly #context: Context;
  worst: ExitCode = exitCode.ok;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Runs one test and tells its outcome. Answers whether the tests that build on it make sense. */
  async test(name: string, run: () => Promise<Finding> | Finding): Promise<boolean> {
    let finding: Finding;
    try {
      finding = await run();
    } catch (cause) {
      if (this.#context.signal.aborted) throw cause;
      const { exit, advice } = verdictOf(cause);
      finding = { outcome: 'failed', detail: cause instanceof Error ? cause.message : String(cause), advice, exit };
    }
    await this.show(name, finding);
    return finding.outcome !== 'failed';
  }

  async show(name: string, finding: Finding): Promise<void> {
    const { outcome, detail, advice, exit } = finding;
    if (outcome === 'failed' && this.worst === exitCode.ok) this.worst = exit ?? exitCode.failed;
    const lines = [
      `${marks[outcome]} ${name.padEnd(13)}${detail}`,
      ...(advice === undefined ? [] : [`${' '.repeat(15)}${advice}`]),
    ];
    await this.#context.result({ test: name, outcome, detail, advice }, lines);
  }
}

async function health(client: DsomClient, context: Context): Promise<Finding> {
  const live = await client.admin.health('live', { signal: context.signal });
  const ready = await client.admin.health('ready', { signal: context.signal });
  const said = readinessOf(ready.detail);
  if (live.ok && ready.ok) {
    const notes: [detail: string, advice: string][] = [];
    if (said.degraded.length > 0)
      notes.push([
        `degraded: ${said.degraded.join('; ')}`,
        'Requests are served. `dsom cluster status` and docs/operate say what each means.',
      ]);
    if (said.plain)
      notes.push([
        'new objects are not encrypted',
        'Start the server without --encryption off where its disks are not safe.',
      ]);
    if (notes.length === 0) return ok('live and ready');
    return warning(
      `live and ready, but ${notes.map(([detail]) => detail).join('; ')}`,
      notes.map(([, advice]) => advice).join(' '),
    );
  }
  if (said.starting)
    return {
      outcome: 'failed',
      detail: said.reasons.join('; '),
      advice: 'Ask again in a moment. When it stays so, the log of the server says what it waits for.',
      exit: exitCode.unreachable,
    };
  const why = said.reasons.join('; ') || (live.ok ? ready : live).detail.slice(0, 200);
  return {
    outcome: 'failed',
    detail: `${live.ok ? 'live, but not ready' : 'not live'}: ${why}`,
    advice:
      said.reasons.length > 0
        ? 'Reads at the level eventual may be answered still. `dsom cluster status` says what is away; docs/operate has the words.'
        : 'It may be starting, draining, or out of space. Look at the log of the server.',
    exit: exitCode.unreachable,
  };
}

/** What a server says at `/-/health/ready`, as far as it says it. */
function readinessOf(detail: string): {
  readonly reasons: readonly string[];
  readonly degraded: readonly string[];
  readonly plain: boolean;
  readonly starting: boolean;
} {
  let said: Record<string, unknown> = {};
  try {
    said = (JSON.parse(detail) ?? {}) as Record<string, unknown>;
  } catch {
    // A proxy, or a server that says it in words.
  }
  const lines = (value: unknown): string[] => (Array.isArray(value) ? value.map((one) => printable(String(one))) : []);
  return {
    reasons: lines(said['reasons']),
    degraded: lines(said['degraded']),
    plain: said['encryption'] === 'off',
    starting: said['starting'] === true,
  };
}

async function clock(client: DsomClient, context: Context): Promise<Finding> {
  const { skewMs } = await client.admin.health('live', { signal: context.signal });
  if (skewMs === undefined)
    return warning('the server does not tell its time', 'A proxy may take the Date header away.');
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const detail = seconds <= 1 ? 'equal to the second' : `the server is ${seconds} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
  if (seconds * 1000 < skewMaxMs / 3) return ok(detail);
  const advice = 'Set both clocks by NTP: from 15 minutes on, requests are refused.';
  return seconds * 1000 < skewMaxMs ? warning(detail, advice) : { outcome: 'failed', detail, advice };
}

async function credentials(client: DsomClient, context: Context): Promise<Finding> {
  let count = 0;
  for await (const _ of client.buckets.list({ signal: context.signal })) count++;
  return ok(`accepted; ${count} ${count === 1 ? 'bucket' : 'buckets'} to see`);
}

/** What devices tell of themselves, wherever the status has them. */
function devicesOf(status: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] {
  const list = status['devices'];
  return Array.isArray(list) ? (list as Record<string, unknown>[]) : [];
}

const numberOf = (row: Readonly<Record<string, unknown>>, name: string) =>
  typeof row[name] === 'number' ? row[name] : 0;

/** What the server says of itself to root; undefined to others. */
async function statusOf(client: DsomClient, context: Context): Promise<Line | undefined> {
  try {
    return await client.admin.status({ signal: context.signal });
  } catch (cause) {
    if (cause instanceof DsomError && cause.status === 403) return undefined;
    throw cause;
  }
}

/** What happened to the metadata at the last start; undefined where they were as the stop had left them. */
function rebuiltMetadata(status: Line): Finding | undefined {
  const { rebuilt } = part(status, 'metadata');
  if (typeof rebuilt !== 'string') return undefined;
  return warning(
    `made anew at the last start: ${printable(rebuilt)}`,
    'Nothing acknowledged is missing. Look at the disk, and at who may have removed or changed it.',
  );
}

function space(status: Line | undefined): Finding {
  if (!status) return warning('this key may not see it', 'Ask with the root key.');
  const devices = devicesOf(status);
  if (devices.length === 0) return warning('the server does not tell', 'Look at /-/metrics.');
  // Devices of one file system share what is free there. Which they are on is not told by every server.
  const disks = [...new Map(devices.map((one) => [one['fileSystem'] ?? one['identity'] ?? one, one])).values()];
  const free = disks.reduce((sum, one) => sum + numberOf(one, 'free'), 0);
  const total = disks.reduce((sum, one) => sum + numberOf(one, 'total'), 0);
  const rebuilt = devices.filter((one) => typeof one['rebuilt'] === 'object' && one['rebuilt'] !== null);
  const bad = devices.filter((one) => typeof one['health'] === 'string' && !['good', 'full'].includes(one['health']));
  const detail = `${formatSize(free)} free${total > 0 ? ` of ${formatSize(total)}` : ''} on ${devices.length} ${devices.length === 1 ? 'device' : 'devices'}${disks.length < devices.length ? `, which share ${disks.length === 1 ? 'a file system' : `${disks.length} file systems`}` : ''}`;
  if (bad.length > 0)
    return {
      outcome: 'failed',
      detail: `${detail}; ${bad.length} not healthy`,
      advice: 'Look at /-/metrics, and replace the device.',
      exit: exitCode.damaged,
    };
  if (rebuilt.length > 0)
    return warning(
      `${detail}; the index of ${rebuilt.length} was lost and made anew at the last start`,
      'Look at the disk, and run `dsom scrub` and `dsom fsck`: they tell whether anything is missing.',
    );
  return total > 0 && free < total / 20
    ? warning(detail, 'Delete something or add a data directory: a full store refuses writes.')
    : ok(detail);
}

async function roundTrip(client: DsomClient, context: Context, bucket: string): Promise<Finding> {
  const { clock: time, entropy } = context.host;
  const key = `.dsom-doctor/${entropy.bytes(8).toString('hex')}`;
  const content = entropy.bytes(128 * 1024);
  const startedAt = time.monotonic();
  await client.put(bucket, key, content, { signal: context.signal });
  try {
    const read = await (await client.get(bucket, key, { signal: context.signal })).bytes();
    if (!content.equals(read))
      return {
        outcome: 'failed',
        detail: 'other bytes came back than were written',
        advice: 'Run `dsom fsck`.',
        exit: exitCode.damaged,
      };
  } finally {
    const { versionId } = await client.head(bucket, key).catch(() => ({ versionId: undefined }));
    await client.delete(bucket, key, { versionId });
  }
  return ok(
    `wrote, read and deleted 128 KiB in ${formatRemote(bucket, '')}, ${Math.round(time.monotonic() - startedAt)} ms`,
  );
}

interface DoctorOptions extends CommonOptions {
  readonly write?: string;
  readonly data?: readonly string[];
}

/** The directories of a server, which may not start. */
async function examineData(exam: Examination, data: readonly string[], services: Services): Promise<void> {
  if (!services.examine)
    throw new CommandError(
      exitCode.failed,
      'this build cannot look at directories',
      'Run it where the server is installed.',
    );
  for await (const { test, ...finding } of services.examine(data)) await exam.show(test, finding);
}

async function examine(
  context: Context,
  _: readonly string[],
  options: DoctorOptions,
  services: Services,
): Promise<void> {
  const target = options.write === undefined ? undefined : parseBucket(options.write);
  const exam = new Examination(context);
  await exam.test('runtime', () => ok(`Node ${process.version} on ${process.platform}-${process.arch}`));
  if (options.data) {
    await examineData(exam, options.data, services);
    return conclude(exam, context);
  }
  let client: DsomClient | undefined;
  await exam.test('settings', () => {
    const { from, endpoint, accessKeyId } = context.connection();
    client = context.impatientClient();
    return ok(`${endpoint} with key ${accessKeyId}, from ${from}`);
  });
  if (client) {
    const found = client;
    const { clock: time } = context.host;
    const tls = await examineTls(found.endpoint, time.now(), context.signal);
    // Nothing else would be answered.
    if (tls && !(await exam.test('tls', () => tls))) return conclude(exam, context);
    // A server that does not answer is told of once, and soon.
    const reached = await exam.test('endpoint', async () => {
      try {
        await found.admin.health('live', { signal: context.signal });
      } catch (cause) {
        if (context.signal.aborted || !(cause instanceof DsomError)) throw cause;
        const advice =
          'Is the server running, and is this its address? When it does not start, `dsom doctor --data DIR` looks at its directories.';
        return { outcome: 'failed', detail: cause.message, advice, exit: verdictOf(cause).exit };
      }
      return ok('answers');
    });
    if (reached) {
      // Together: each may take as long as it is waited for. What is said of one rests on the one before.
      const asked = {
        health: health(found, context),
        clock: clock(found, context),
        credentials: credentials(found, context),
        status: statusOf(found, context),
      };
      await Promise.allSettled(Object.values(asked));
      await exam.test('health', () => asked.health);
      await exam.test('clock', () => asked.clock);
      if (await exam.test('credentials', () => asked.credentials)) {
        let status: Line | undefined;
        await exam.test('space', async () => space((status = await asked.status)));
        const { fewFiles } = status ?? {};
        if (typeof fewFiles === 'string')
          await exam.show('open files', warning(printable(fewFiles), 'Then start the server again.'));
        const rebuilt = status && rebuiltMetadata(status);
        if (rebuilt) await exam.show('metadata', rebuilt);
        if (target) await exam.test('round trip', () => roundTrip(context.client(target), context, target.bucket));
      }
    }
  }
  conclude(exam, context);
}

function conclude(exam: Examination, context: Context): void {
  if (exam.worst !== exitCode.ok) throw new CommandError(exam.worst, 'not all is well');
  context.succeed();
}

export function addDoctorCommand(program: Command, run: Run, services: Services): void {
  clientCommand(program, 'doctor', 'find out what is wrong between here and the server')
    .option('--write <bucket>', 'also write, read and delete an object in this bucket')
    .option(
      '--data <dir>',
      'look at the directories of a server that does not start instead; give all of them',
      collect,
    )
    .action(run((context, parameters, options: DoctorOptions) => examine(context, parameters, options, services)));
}
