import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { notificationForm } from '../configurations/notification.ts';

export const getBucketNotificationConfiguration = (call: S3Call): void => getConfiguration(call, notificationForm);
