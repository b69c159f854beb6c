import { answerEmpty, type S3Call } from '../call.ts';

export async function deleteBucket(call: S3Call): Promise<void> {
  await call.service.objects.deleteBucket(call.bucket);
  answerEmpty(call, 204);
}
