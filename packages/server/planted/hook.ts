/*
 * Changes one module while it is loaded, for one test run: `DSOM_PLANT='{"file":"src/log/…","find":"…","replace":"…"}'`.
 * The tree on disk is never touched. A plant whose text is not found exactly once ends the process: the list has fallen behind the code.
 *
 * Property tests draw from a fixed seed then, so that a plant which is caught is caught each time, and do not look for a smaller example.
 */
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';

/** A bug: in `file` (relative to packages/server), the text `find` becomes `replace`. */
export interface Planted {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const text = process.env['DSOM_PLANT'];
if (text !== undefined) {
  const plant = JSON.parse(text) as Planted;
  const suffix = `/packages/server/${plant.file}`;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(suffix)) return loaded;
      const source = String(loaded.source);
      if (source.split(plant.find).length !== 2) {
        console.error(`the planted text is not exactly once in ${plant.file}: ${plant.find}`);
        process.exit(86);
      }
      return { ...loaded, source: source.replace(plant.find, () => plant.replace) };
    },
  });
  if (isMainThread) {
    const { default: fc } = await import('fast-check');
    const seed = Number(process.env['DSOM_PLANT_SEED'] ?? 1);
    fc.configureGlobal({ ...fc.readConfigureGlobal(), seed, endOnFailure: true });
  }
}
