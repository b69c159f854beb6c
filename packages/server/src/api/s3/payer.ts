import { StoreError } from '../../errors.ts';
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

/** @throws StoreError AccessDenied for anonymous requests of a bucket of which the requester pays, InvalidArgument where the header says anything but `requester` */
export function answerPayer(call: S3Call): void {
  const { objects } = call.service;
  const asked = () => objects.configuration(call.bucket, requestPaymentForm.kind)?.equals(requester);
  // Whoever pays has a name.
  if (call.principal.kind === 'anonymous' && asked()) throw new StoreError('AccessDenied');
  const value = header(call, name);
  if (value === undefined) return;
  if (value.toLowerCase() !== 'requester') throw invalidArgument(name, value, `${name} is requester, or is left out.`);
  if (call.bucket === '' || call.operation === 'CreateBucket') return;
  if (objects.bucket(call.bucket).owner === call.owner) return;
  if (asked()) call.exchange.response.setHeader('x-amz-request-charged', 'requester');
}
