/* The entry of the `dsom` command: hands the commands what only this room can make. What a client command does not need is imported when it is. */
import { flushCompileCache } from 'node:module';
import { runCli } from '../cli/index.ts';

/** Runs the server until a signal ends it. @returns the exit status: 0 after a signal, 70 after a failure it must not survive */
async function serve(flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { loadConfig } = await import('./config.ts');
  const config = loadConfig(flags, process.env);
  // Their threads load the modules while this one does.
  const { spawnWorker, threadPlan } = await import('./workers.ts');
  const workers = Array.from({ length: threadPlan(config.workers).workers }, spawnWorker);
  let started = false;
  const signal = new Promise<undefined>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const)
      process.once(name, () => {
        resolve(undefined);
        // A node may wait minutes for its etcd. What it has on disk is whole at every moment.
        if (!started)
          console.error(`dsom: the server is just starting, and ends when it has; ${name} again ends it at once`);
      });
  });
  // Without certificates a hang-up ends the server, as it does every program.
  let reload: (() => Promise<void>) | undefined;
  if (config.tlsCertificate.length > 0) process.on('SIGHUP', () => void reload?.());
  const starting = import('./server.ts').then(({ startServer }) => startServer(config, workers));
  const server = await starting.catch(async (cause: unknown) => {
    for (const worker of workers) await worker.end();
    throw cause;
  });
  started = true;
  reload = server.reload;
  console.log(server.banner);
  // Not at the end alone: a server that is killed shall start as fast.
  flushCompileCache();
  const failure = await Promise.race([signal, server.failed]);
  if (failure) {
    console.error(
      `dsom: the server stops because of a failure it must not survive: ${failure.stack ?? failure.message}`,
    );
    return 70;
  }
  try {
    await server.stop();
  } catch (cause) {
    console.error(
      `dsom: the server has ended, but not in order: ${(cause as Error).stack ?? String(cause)}\n      What was answered is kept: the next start recovers it, as after a crash.`,
    );
    return 1;
  }
  return 0;
}

async function* offlineCheck(
  directories: readonly string[],
  rebuild: readonly string[],
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const { checkStopped } = await import('./offline.ts');
  yield* checkStopped(directories, rebuild);
}

async function* examine(directories: readonly string[]) {
  const { examineDirectories } = await import('./examine.ts');
  yield* examineDirectories(directories);
}

const status = await runCli(process.argv.slice(2), {
  serve,
  offlineCheck,
  examine,
  isUsageError: (cause) => cause instanceof Error && cause.name === 'ConfigError',
  async settings() {
    const { configSchema } = await import('./config.ts');
    return Object.entries(configSchema.shape).map(([name, schema]) => [name, schema.description ?? ''] as const);
  },
});
process.exit(status);
