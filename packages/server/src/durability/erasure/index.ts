export { type Code, createCode } from './code.ts';
