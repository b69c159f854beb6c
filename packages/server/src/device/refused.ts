/** Why a volume cannot be used as a device of this store. */
export type Refusal = 'absent' | 'foreign' | 'otherStore' | 'unknownFormat' | 'damaged' | 'busy';

/** The volume is not taken, and nothing on it was changed. The message tells the operator what to do. */
export class DeviceRefused extends Error {
  override readonly name = 'DeviceRefused';
  readonly reason: Refusal;

  constructor(reason: Refusal, message: string) {
    super(message);
    this.reason = reason;
  }
}
