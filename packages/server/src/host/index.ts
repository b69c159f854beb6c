export { manualHost } from './manual.ts';
export { realHost } from './real.ts';
export type { Cancel, Clock, Entropy, Host, Timers } from './types.ts';
