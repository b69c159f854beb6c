export { createCache } from './cache.ts';
export type { FrameCache } from './types.ts';
