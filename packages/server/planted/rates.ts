import type { Plant } from './plant.ts';

/* Bugs that let somebody have more than his limit, or starve others. */

const gate = 'src/access/rates/gate.test.ts';
const places = 'src/api/http/places.test.ts';
const overHttp = 'src/api/s3/limits.test.ts';
const bodies = 'src/objects/memory.test.ts';
const rows = 'src/metadata/rates.test.ts';

export const ratePlants: readonly Plant[] = [
  {
    name: 'rates: each thread has a bucket of its own',
    file: 'src/access/rates/counters.ts',
    find: 'this.#times = new BigInt64Array(memory, 0, slots * timesOfSlot);',
    replace: 'this.#times = new BigInt64Array(slots * timesOfSlot);',
    tests: [gate],
    pattern: 'burst',
  },
  {
    name: 'rates: Retry-After is a second, whatever the wait',
    file: 'src/access/rates/gate.ts',
    find: 'Math.max(1, Math.ceil(milliseconds / 1000))',
    replace: 'Math.min(1, Math.ceil(milliseconds / 1000) + 1)',
    tests: [gate],
    pattern: 'slow bodies down',
  },
  {
    name: 'rates: what was not used is kept twice as long',
    file: 'src/access/rates/counters.ts',
    find: 'const missing = full - now - depth;',
    replace: 'const missing = full - now - depth - depth;',
    tests: [gate],
    pattern: 'burst',
  },
  {
    name: 'rates: a key that is refused uses up its tenant',
    file: 'src/access/rates/gate.ts',
    find: 'for (const one of held.slice(0, at)) this.#takeBack(one);',
    replace: '',
    tests: [gate],
    pattern: 'takes nothing from the other',
  },
  {
    name: 'rates: every IPv6 address of a site has a limit of its own',
    file: 'src/access/rates/counters.ts',
    find: ".slice(0, 4).join(':')",
    replace: ".join(':')",
    tests: [gate],
    pattern: '/64',
  },
  {
    name: 'rates: an older limit makes its slot new',
    file: 'src/access/rates/counters.ts',
    find: 'if (before >= changed) return;',
    replace: 'if (before === changed) return;',
    tests: [gate],
    pattern: 'begin anew',
  },
  {
    name: 'rates: a limit outlives its tenant',
    file: 'src/metadata/machine/decide-identities.ts',
    find: '...withoutRates(view, `tenant/${id}`), ',
    replace: '',
    tests: [rows],
    pattern: 'go with their tenant',
  },
  {
    name: 'places: who waits for his client keeps his place',
    file: 'src/api/http/body.ts',
    find: 'this.#admitted()?.pause();',
    replace: '',
    tests: [overHttp],
    pattern: 'holds no place',
  },
  {
    name: 'places: no tenant is sure of a share',
    file: 'src/api/http/places.ts',
    find: 'return (this.#turns.size === 0 && this.#hasRoom()) || this.#isBelowShare(holder);',
    replace: 'return this.#turns.size === 0 && this.#hasRoom();',
    tests: [places],
    pattern: 'below his share',
  },
  {
    name: 'places: a tenant has as many turns as it has requests',
    file: 'src/api/http/places.ts',
    find: '      this.#turns.delete(next);\n',
    replace: '      if (next.waiting === 1) this.#turns.delete(next);\n',
    tests: [places],
    pattern: 'go round',
  },
  {
    name: 'places: bad signatures are answered out of turn',
    file: 'src/api/s3/handler.ts',
    find: 'if (this.#options.admission) known = await this.#options.admission.refuse(exchange, known);',
    replace: '',
    tests: [overHttp],
    pattern: 'bad signatures',
  },
  {
    name: 'places: a place is never given back when a request ends',
    file: 'src/api/http/exchange.ts',
    find: '    this.admitted?.leave();\n',
    replace: '',
    tests: [overHttp],
    pattern: 'at once',
  },
  {
    name: 'memory: one tenant may take the places of all bodies',
    file: 'src/objects/memory.ts',
    find: 'places < limits.bodyPlacesPerFree * free',
    replace: 'places < Infinity',
    tests: [bodies],
    pattern: 'thousand bodies',
  },
  {
    name: 'memory: who has most gets the next place as well',
    file: 'src/objects/memory.ts',
    find: '(!next || holder.places < next.places)',
    replace: '(!next || holder.places > next.places)',
    tests: [bodies],
    pattern: 'max-min',
  },
  {
    name: 'memory: bodies share evenly, whosever they are',
    file: 'src/objects/memory.ts',
    find: '/ classes / holder.places;',
    replace: '/ (this.#places + 0 * classes);',
    tests: [bodies],
    pattern: 'half of the memory',
  },
  {
    name: 'memory: what is read is the body of nobody',
    file: 'src/api/http/exchange.ts',
    find: 'source.whose = this.admitted?.tenant;',
    replace: '',
    tests: [overHttp],
    pattern: 'whose they are',
  },
];
