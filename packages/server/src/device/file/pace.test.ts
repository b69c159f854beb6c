import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pace } from './pace.ts';

/** How many transfers go through the pool before one is tried directly again. */
function pause(pace: Pace): number {
  let count = 0;
  while (!pace.direct()) count++;
  return count;
}

describe('pace of small transfers', () => {
  it('stays direct while transfers are quick', () => {
    const pace = new Pace(1);
    for (let i = 0; i < 100; i++) {
      assert.equal(pace.direct(), true);
      pace.took(0.9);
    }
  });

  it('pauses longer after each slow try, within a bound, and forgets it after a quick one', () => {
    const pace = new Pace(1);
    const pauses: number[] = [];
    for (let i = 0; i < 10; i++) {
      pace.took(5);
      pauses.push(pause(pace));
    }
    assert.deepEqual(pauses, [32, 64, 128, 256, 512, 1024, 2048, 4096, 4096, 4096]);
    pace.took(0.1);
    pace.took(5);
    assert.equal(pause(pace), 32);
  });
});
