import { answerHeaders, type S3Call } from '../call.ts';

export function headBucket(call: S3Call): void {
  const bucket = call.service.objects.bucket(call.bucket);
  const headers = answerHeaders(call);
  headers.push(
    'Content-Type',
    'application/xml',
    'x-amz-bucket-region',
    bucket.region,
    'x-amz-access-point-alias',
    'false',
  );
  call.exchange.send(200, headers);
}
