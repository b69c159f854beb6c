export { type Code, createCode, type Loan, lendFragments } from './code.ts';
