export { chooseGroup, spreadPoint } from './choose.ts';
export { codesOf, planCode } from './codes.ts';
export { type PlacementDevice, planGroups, planLayout, rehomeGroups } from './plan.ts';
