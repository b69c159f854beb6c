export { realHost } from './real.ts';
export { manualHost } from './manual.ts';
export type { Cancel, Clock, Entropy, Host, Timers } from './types.ts';
