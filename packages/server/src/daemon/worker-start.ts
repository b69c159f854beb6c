/* The entry of a worker thread: what it loads, it loads by the shorter way. */
import './imports.ts';

await import('./worker.ts');
