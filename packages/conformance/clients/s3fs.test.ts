/*
 * A bucket as a file system, by s3fs (Debian: s3fs): git clones a repository onto it, a program is built there, and what it gave is compared. Skipped where
 * there is no s3fs, or no file system in user space may be mounted.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../src/request.ts';
import { credentials, patienceMs } from '../src/server.ts';
import { digestTree, openRig, type Rig } from './rig.ts';

const absent = ['s3fs', 'git', 'make', 'cc'].filter((program) => spawnSync(program, ['--version']).status !== 0);
const missing =
  absent.length > 0
    ? `there is no ${absent.join(', no ')}: apt install s3fs git make gcc`
    : existsSync('/dev/fuse')
      ? false
      : 'there is no /dev/fuse';

let rig: Rig;
let folder: string;
/** Why nothing could be mounted. */
let refused: string | undefined;

before(async () => {
  if (missing) return;
  rig = await openRig('s3fs');
  folder = path.join(rig.scratch, 'mounted');
  mkdirSync(folder);
  assert.equal((await send(rig.server.endpoint, 'PUT', '/files')).status, 200);
  const passwords = path.join(rig.scratch, 'passwords');
  writeFileSync(passwords, `${credentials.accessKeyId}:${credentials.secretAccessKey}\n`, { mode: 0o600 });
  const options = [
    `passwd_file=${passwords}`,
    `url=${rig.server.endpoint}`,
    'use_path_request_style',
    'sigv4',
    'endpoint=us-east-1',
  ];
  const child = spawn('s3fs', ['files', folder, '-f', ...options.flatMap((one) => ['-o', one])], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const mounted = () => readFileSync('/proc/mounts', 'utf8').includes(` ${folder} `);
  for (let tries = 0; tries < patienceMs / 20 && !mounted() && child.exitCode === null; tries++) await sleep(20);
  if (mounted()) return;
  if (child.exitCode === null) child.kill();
  refused = `nothing can be mounted here: ${output.slice(-500)}`;
});
after(async () => {
  if (missing) return;
  if (refused === undefined) execFileSync('umount', ['--lazy', folder]);
  await rig.close();
});

const makefile = `answer: answer.o words.o
\tcc -o $@ $^
%.o: %.c words.h
\tcc -c -o $@ $<
check: answer
\t./answer > said && grep -q '^forty-two$$' said
`;
const program = {
  Makefile: makefile,
  'words.h': 'const char *words(int number);\n',
  'words.c': '#include "words.h"\nconst char *words(int number) { return number == 42 ? "forty-two" : "?"; }\n',
  'answer.c': '#include <stdio.h>\n#include "words.h"\nint main(void) { puts(words(42)); return 0; }\n',
};

test('git clones a repository onto a mounted bucket, and it is built there', {
  timeout: 10 * 60_000,
  skip: missing,
}, async (t) => {
  if (refused !== undefined) return t.skip(refused);
  const source = path.join(rig.scratch, 'source');
  mkdirSync(path.join(source, 'more'), { recursive: true });
  const git = (cwd: string, ...args: string[]) =>
    rig.run(
      'git',
      ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'init.defaultBranch=main', ...args],
      { cwd },
    );
  for (const [name, text] of Object.entries(program)) writeFileSync(path.join(source, name), text);
  for (let i = 0; i < 12; i++) writeFileSync(path.join(source, 'more', `file ${i}`), `${i}\n`.repeat(i * 50));
  await git(source, 'init', '-q');
  await git(source, 'add', '.');
  await git(source, 'commit', '-q', '-m', 'first');

  const clone = path.join(folder, 'clone');
  await git(folder, 'clone', '-q', '--no-hardlinks', source, clone);
  await git(clone, 'fsck', '--strict');
  assert.equal((await git(clone, 'status', '--porcelain')).trim(), '');
  const { '.git': _, ...files } = Object.fromEntries(await digestTree(source));
  for (const [name, digest] of Object.entries(files))
    if (!name.startsWith('.git/'))
      assert.equal((await digestTree(path.join(clone, path.dirname(name)))).get(path.basename(name)), digest, name);

  await rig.run('make', ['check'], { cwd: clone });
  await git(clone, 'mv', 'more', 'moved');
  await git(clone, 'commit', '-q', '-m', 'second');
  assert.match(await git(clone, 'log', '--oneline', '--stat'), /file 11/);
  // What the file system shows is what the store has.
  const said = await send(rig.server.endpoint, 'GET', '/files/clone/said');
  assert.equal(said.text(), 'forty-two\n');
});
