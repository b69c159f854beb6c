import { codePlants } from './codes.ts';
import { durabilityPlants, fragmentPlants } from './fragments.ts';
import type { Plant } from './plant.ts';
import { accessPlants, apiPlants, keyPlants } from './protocol.ts';
import { simulatedPlants } from './simulated.ts';
import { metadataPlants, objectPlants } from './state.ts';
import { devicePlants, kvPlants, logPlants } from './storage.ts';

/** Every planted bug. A text that is not exactly once in its file fails the run: change it together with the code. */
export const plants: readonly Plant[] = [
  ...kvPlants,
  ...logPlants,
  ...devicePlants,
  ...fragmentPlants,
  ...durabilityPlants,
  ...codePlants,
  ...metadataPlants,
  ...objectPlants,
  ...accessPlants,
  ...keyPlants,
  ...apiPlants,
  ...simulatedPlants,
];
