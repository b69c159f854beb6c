/*
 * A shorter way from an import to its file, for each thread before it loads anything else (measured: docs/decisions/0009-start.md). The modules of this program name
 * each other exactly (relative, with the end `.ts`, no links between them), so nothing has to be looked up: Node would ask the file system of each of 800 whether it
 * is a file, where it really lies, and which package says how it is written. One that is not there fails when it is read.
 */
import { createRequire, registerHooks } from 'node:module';

/** The folder of the packages: what lies elsewhere is not this program's. */
const own = new URL('../../../', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context;
    if (!specifier.startsWith('.') || !specifier.endsWith('.ts') || !parentURL?.startsWith(own))
      return next(specifier, context);
    return { url: new URL(specifier, parentURL).href, format: 'module-typescript', shortCircuit: true };
  },
});

// An import of `node:http` asks for all that it offers, and these three load a client of HTTP, which a server may never need.
const http = createRequire(import.meta.url)('node:http') as Record<string, unknown>;
for (const name of ['WebSocket', 'CloseEvent', 'MessageEvent']) delete http[name];
