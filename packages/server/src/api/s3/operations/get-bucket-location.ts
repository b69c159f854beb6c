import { answerXml, type S3Call } from '../call.ts';
import { escapeXml, s3Document } from '../xml/writer.ts';

export function getBucketLocation(call: S3Call): void {
  const { region } = call.service.objects.bucket(call.bucket);
  // The first region has no name in this answer, for it is older than the idea of regions.
  answerXml(call, s3Document('LocationConstraint', region === 'us-east-1' ? '' : escapeXml(region)));
}
