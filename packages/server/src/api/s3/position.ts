import type { Position } from '../../log/index.ts';
import type { HeaderList } from '../http/exchange.ts';
import { tokenText } from '../http/token.ts';

let lastPosition: Position = -1;
let lastToken = '';

/** Where in the log an answer stands, as a number and as a token to hand back. Reads between two writes share one, so the last is kept. */
export function pushPosition(headers: HeaderList, position: Position): void {
  if (position !== lastPosition) {
    lastToken = tokenText(new Map([[0, position]]));
    lastPosition = position;
  }
  headers.push('x-dsom-position', String(position), 'x-dsom-token', lastToken);
}
