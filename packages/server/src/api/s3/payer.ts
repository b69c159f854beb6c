import { header, type S3Call } from './call.ts';
import { documentOf } from './configurations/form.ts';
import { requestPaymentForm } from './configurations/simple.ts';
import { invalidArgument } from './failure.ts';

/*
 * Requester pays (https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html). Nobody is charged here, so that nobody is refused for
 * not offering to pay; who offers it is answered as S3 answers him.
 */

const name = 'x-amz-request-payer';
const requester = documentOf(requestPaymentForm, 'Requester');

/** @throws StoreError InvalidArgument where the header says anything but `requester` */
export function answerPayer(call: S3Call): void {
  const value = header(call, name);
  if (value === undefined) return;
  if (value.toLowerCase() !== 'requester') throw invalidArgument(name, value, `${name} is requester, or is left out.`);
  if (call.bucket === '' || call.operation === 'CreateBucket') return;
  const { objects } = call.service;
  if (objects.bucket(call.bucket).owner === call.owner) return;
  if (objects.configuration(call.bucket, requestPaymentForm.kind)?.equals(requester))
    call.exchange.response.setHeader('x-amz-request-charged', 'requester');
}
