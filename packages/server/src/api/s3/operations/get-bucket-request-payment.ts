import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { requestPaymentForm } from '../configurations/simple.ts';

export const getBucketRequestPayment = (call: S3Call): void => getConfiguration(call, requestPaymentForm);
