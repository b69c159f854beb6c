import type { S3Call } from '../call.ts';
import { putConfiguration } from '../configurations/form.ts';
import { requestPaymentForm } from '../configurations/simple.ts';

export const putBucketRequestPayment = (call: S3Call): Promise<void> => putConfiguration(call, requestPaymentForm);
