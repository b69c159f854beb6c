import { manualHost } from '../../host/index.ts';
import { describeLog, suiteLimits } from '../suite.ts';
import { simulatedLog } from './open.ts';

describeLog('simulated, owned by one node after the other', async () => {
  const log = simulatedLog({ host: manualHost(), ...suiteLimits });
  let lives = 0;
  return {
    async open() {
      const node = log.open(`n${lives++ % 3}`);
      const owned = await node.own(new AbortController().signal);
      if (!owned) throw new Error('nobody else wants the log');
      return owned;
    },
  };
});
