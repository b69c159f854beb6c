export { chooseGroup, spreadPoint } from './choose.ts';
export { type Layout, layoutOf, layoutOfHeld, type Refusal, survivalText } from './layout.ts';
export { mapEpoch, planGroups, planLayout } from './plan.ts';
export { rebalanceGroups } from './rebalance.ts';
export { leavingDevices, rehomeGroups, replaceDevice } from './rehome.ts';
export { type Risk, type RiskInput, riskOf } from './risk.ts';
export { codesOf, isOf, type Scheme } from './scheme.ts';
export { type Shortage, shortageOf } from './shortage.ts';
export type { PlacementDevice } from './topology.ts';
