import { limits } from '../limits.ts';
import type { Config } from './config.ts';

/** Length of a day of lifecycles, ms. */
export const dayMsOf = ({ lifecycleDaySeconds }: Pick<Config, 'lifecycleDaySeconds'>): number =>
  lifecycleDaySeconds === undefined ? limits.dayMs : lifecycleDaySeconds * 1000;
