export { chooseGroup, spreadPoint } from './choose.ts';
export { type PlacementDevice, planGroups, planLayout, rehomeGroups } from './plan.ts';
