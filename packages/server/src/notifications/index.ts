export { type Deliverer, type DelivererOptions, startDeliverer } from './deliverer.ts';
export { type FailedEvent, failedEvent, isRefusal, RefusalError } from './failed.ts';
export type { FollowedShard, FollowerStatus } from './follower.ts';
export { type Message, testMessage } from './record.ts';
export {
  eventBridgeTargets,
  openSender,
  type Sender,
  type SenderRooms,
  shownTarget,
  type TargetKind,
  type TargetSecret,
  targetRecord,
} from './targets.ts';
