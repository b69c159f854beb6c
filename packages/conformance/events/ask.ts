import { createHash } from 'node:crypto';
import { type Answer, type RequestOptions, send } from '../src/request.ts';

/** A signed request; what stands behind `?` in the path is its query, and a body of text comes with its MD5, as clients send documents. */
export function ask(endpoint: string, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  const [plain, text = ''] = path.split('?') as [string, string?];
  const query = Object.fromEntries(new URLSearchParams(text));
  const md5 = typeof options.body === 'string' ? createHash('md5').update(options.body).digest('base64') : undefined;
  const headers = { ...(md5 !== undefined && { 'content-md5': md5 }), ...options.headers };
  return send(endpoint, method, plain, { ...options, query, headers });
}
