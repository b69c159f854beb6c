export {
  type Authority,
  authorityHash,
  createAuthority,
  decodeAuthority,
  encodeAuthority,
  issueCertificate,
} from './authority.ts';
export { newKey, privatePem, publicDer } from './certificate.ts';
