import { accountOf, canonicalIdOf } from '../../access/index.ts';
import { ownerElement } from './listing.ts';
import { escapeXml, s3Document } from './xml/writer.ts';

/** The one access control list that exists: its owner may do everything. */
export function aclDocument(owner: string): string {
  const name = escapeXml(owner);
  return s3Document(
    'AccessControlPolicy',
    `${ownerElement('Owner', owner)}<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>${canonicalIdOf(accountOf(owner))}</ID><DisplayName>${name}</DisplayName></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>`,
  );
}
