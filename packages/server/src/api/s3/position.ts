import type { Position } from '../../log/index.ts';
import { localNumber, shardOfNumber } from '../../metadata/index.ts';
import type { HeaderList } from '../http/exchange.ts';
import { tokenOf } from '../http/token.ts';
import { header, type S3Call } from './call.ts';

let lastPosition: Position = -1;
let lastToken = '';

/** Where in the log of its shard an answer stands, as a number and as a token to hand back. Reads between two writes share one, so the last is kept. */
export function pushPosition(headers: HeaderList, call: S3Call, position: Position): void {
  const carried = header(call, 'x-dsom-token');
  if (shardOfNumber(position) === 0 && carried === undefined) {
    if (position !== lastPosition) {
      lastToken = tokenOf([position], undefined);
      lastPosition = position;
    }
    headers.push('x-dsom-position', String(position), 'x-dsom-token', lastToken);
    return;
  }
  // The bucket was known as well: that is the system shard's.
  const system = call.service.position;
  pushPositions(headers, call, system ? [position, system()] : [position]);
}

/** The same of an answer that was read of several shards; the number is that of the first. */
export function pushPositions(headers: HeaderList, call: S3Call, positions: readonly Position[]): void {
  const [first = 0] = positions;
  const token = tokenOf(positions, header(call, 'x-dsom-token'));
  headers.push('x-dsom-position', String(localNumber(first)), 'x-dsom-token', token);
}
