export { networkOf, RateCounters, rateMemory } from './counters.ts';
export { type Asking, RateGate, type RateReason, type RateTicket } from './gate.ts';
