import { archivePlants } from './archive.ts';
import { borrowPlants } from './borrowing.ts';
import { checksumPlants } from './checksums.ts';
import { clusterPlants } from './cluster.ts';
import { codedPlants } from './coded.ts';
import { codePlants } from './codes.ts';
import { configurationPlants } from './configurations.ts';
import { customerPlants } from './customers.ts';
import { decisionPlants } from './decisions.ts';
import { enforcementPlants } from './enforcement.ts';
import { etcdPlants } from './etcd.ts';

import { durabilityPlants, fragmentPlants } from './fragments.ts';
import { identityPlants } from './identities.ts';
import { kmsPlants } from './kms.ts';
import { lifecyclePlants } from './lifecycle.ts';
import { lockPlants } from './locks.ts';
import { lossPlants } from './loss.ts';
import { masterKeyPlants } from './master-key.ts';
import { memberPlants } from './members.ts';
import { migratePlants } from './migrate.ts';
import { movePlants } from './moves.ts';
import { certificatePlants, transportPlants } from './network.ts';
import { nodePlants } from './node.ts';
import { notificationPlants } from './notifications.ts';
import { placementPlants } from './placement.ts';
import type { Plant } from './plant.ts';
import { policyPlants } from './policies.ts';
import { accessPlants, apiPlants, keyPlants } from './protocol.ts';
import { quotaPlants } from './quotas.ts';
import { ratePlants } from './rates.ts';
import { renamePlants } from './renames.ts';
import { replicationPlants } from './replication.ts';
import { reshardPlants } from './reshard.ts';
import { daemonPlants } from './running.ts';
import { shardPlants } from './shards.ts';
import { simulatedPlants } from './simulated.ts';
import { sourcePlants } from './sources.ts';
import { metadataPlants, objectPlants } from './state.ts';
import { devicePlants, kvPlants, logPlants } from './storage.ts';
import { tlsPlants } from './tls.ts';
import { webPlants } from './web.ts';

/** Every planted bug. A text that is not exactly once in its file fails the run: change it together with the code. */
export const plants: readonly Plant[] = [
  ...kvPlants,
  ...logPlants,
  ...etcdPlants,
  ...devicePlants,
  ...fragmentPlants,
  ...durabilityPlants,
  ...codePlants,
  ...codedPlants,
  ...placementPlants,
  ...migratePlants,
  ...sourcePlants,
  ...movePlants,
  ...memberPlants,
  ...policyPlants,
  ...metadataPlants,
  ...clusterPlants,
  ...nodePlants,
  ...shardPlants,
  ...renamePlants,
  ...borrowPlants,
  ...checksumPlants,
  ...reshardPlants,
  ...quotaPlants,
  ...lossPlants,
  ...objectPlants,
  ...accessPlants,
  ...decisionPlants,
  ...enforcementPlants,
  ...keyPlants,
  ...apiPlants,
  ...configurationPlants,
  ...lockPlants,
  ...notificationPlants,
  ...replicationPlants,
  ...identityPlants,
  ...ratePlants,
  ...lifecyclePlants,
  ...archivePlants,
  ...customerPlants,
  ...kmsPlants,
  ...masterKeyPlants,
  ...daemonPlants,
  ...transportPlants,
  ...certificatePlants,
  ...simulatedPlants,
  ...tlsPlants,
  ...webPlants,
];
