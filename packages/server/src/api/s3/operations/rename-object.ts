import { type ConditionHeaders, readConditions } from '../../http/conditions.ts';
import { answerEmpty, header, type S3Call } from '../call.ts';
import { invalidArgument } from '../failure.ts';
import { writtenHeaders } from '../object-headers.ts';
import { renameSourceOf } from '../rename-source.ts';
import { screenWrite } from '../screen.ts';

const tokenHeader = 'x-amz-client-token';

const sourceConditions: ConditionHeaders = {
  match: 'x-amz-rename-source-if-match',
  noneMatch: 'x-amz-rename-source-if-none-match',
  modifiedSince: 'x-amz-rename-source-if-modified-since',
  unmodifiedSince: 'x-amz-rename-source-if-unmodified-since',
};

function tokenOf(call: S3Call): string | undefined {
  const token = header(call, tokenHeader);
  if (token !== undefined && !/^[\x21-\x7e]{1,64}$/.test(token))
    throw invalidArgument(tokenHeader, token, 'The token has 1 to 64 visible characters of ASCII.');
  return token;
}

export async function renameObject(call: S3Call): Promise<void> {
  screenWrite(call.headers);
  const source = { key: renameSourceOf(call), guard: readConditions(call.headers, sourceConditions) };
  const { bucket, version, position } = await call.service.objects.rename({
    bucket: call.bucket,
    key: call.key,
    owner: call.owner,
    guard: readConditions(call.headers),
    source,
    token: tokenOf(call),
  });
  answerEmpty(call, 200, writtenHeaders(call, bucket, version, position));
}
