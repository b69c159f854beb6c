import { limits } from '../limits.ts';
import type { LifecyclePass, SurveyedAction } from '../objects/index.ts';
import { type Line, Runs } from './runs.ts';

/** What an operator asks for: one bucket now. `dry`: what would be done. */
export interface LifecycleRun {
  readonly bucket: string;
  readonly dry: boolean;
}

const actionLine = ({ key, dueMs, ...rest }: SurveyedAction): Line => ({
  type: 'action',
  ...rest,
  key: key.toString('utf8'),
  due: new Date(dueMs).toISOString(),
});

/** The lifecycle of one bucket, on request. */
export class LifecycleRuns extends Runs {
  readonly #pass: LifecyclePass;

  constructor(pass: LifecyclePass) {
    super('A lifecycle runs on request already: wait for its end, which `dsom lifecycle status` shows.');
    this.#pass = pass;
  }

  /** @throws StoreError ConditionalRequestConflict while another one goes on */
  begin({ bucket, dry }: LifecycleRun): number {
    return this.start(async (tell, signal) => {
      let counted = 0;
      const counts = await this.#pass.bucket(bucket, dry, signal, (one) => {
        counted += 1;
        if (counted <= limits.lifecycleReported) tell(actionLine(one));
      });
      return { type: 'summary', bucket, dry, counts, listed: Math.min(counted, limits.lifecycleReported) };
    });
  }
}
