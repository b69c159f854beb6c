const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Bounds of what happens between nodes: a part of `limits`, which is what everybody imports. Bytes unless the name says otherwise. */
export const clusterLimits = {
  /** Pause before a replica asks a log that is out of reach again, and how long a node that gives the lead back waits for the log to hear of it. */
  followRetryMs: 200,
  resignMs: 1000,
  /** One call to etcd, tried once; and one that is repeated over all endpoints, for as long as an election takes. */
  etcdTryMs: 500,
  etcdCallMs: 4000,
  /** Pause before another try, and what it grows to. */
  etcdBackoffMs: 50,
  etcdBackoffMostMs: 1000,
  /** A watch must be open within this time. */
  etcdOpenMs: 2000,
  /** Pings on a connection to etcd, which refuses more than one each 5 s; and the wait for their answer. */
  etcdPingMs: 6000,
  etcdPongMs: 2000,
  /** One request to etcd (its `--max-request-bytes`, which is 1.5 MiB unless told), and one answer. */
  etcdRequestBytes: 8 * MiB,
  etcdAnswerBytes: 16 * MiB,
  etcdDefragmentMs: 60_000,
  /** One batch of entries in etcd, and entries in it; batches of one owner under way at a time. */
  etcdBatchBytes: 512 * KiB,
  etcdBatchEntries: 1024,
  etcdFlights: 4,
  /** Batches that a node keeps in memory for those who read what just came. */
  etcdRecentBytes: 8 * MiB,
  /** Between two looks at a log that no watch asked for. */
  etcdPollMs: 2000,
  /** Longest rest between two reads of the ends of logs while barriers wait: the others that come join them. */
  etcdTailRestMs: 8,
  /** A member of etcd that this program runs: time to become healthy, to end, to join; pauses before it is started again. */
  etcdStartMs: 30_000,
  /** A member that has no leader for so long is told of: the others are just starting, too, or they do not run. */
  etcdLonelyMs: 5000,
  etcdStopMs: 10_000,
  etcdJoinMs: 60_000,
  etcdRestartMs: 250,
  etcdRestartMostMs: 30_000,
  /** A member that ran so long was well: the next pause is short again. */
  etcdSettledMs: 60_000,
  /** Lines kept of what a member last said; as many as the stack has with which it ends. */
  etcdSaidLines: 60,
  /** Between two looks at the space of etcd; shares of its quota from which on only what frees space, and nothing, is appended. */
  etcdSpaceMs: 5000,
  etcdRoomyPercent: 75,
  etcdFullPercent: 90,
  /** Between two compactions of its history, and two defragmentations of its members. */
  etcdCompactMs: 60_000,
  etcdDefragmentEveryMs: 600_000,
  /** A node keeps an object shard for so long, at least, before it leaves it to the node that should have it; what that grows to when nobody takes it; between two looks; how long others have the first try, then, and whenever nobody owns it. */
  yieldMs: 3000,
  yieldMostMs: 600_000,
  yieldLookMs: 1000,
  yieldRestMs: 1500,
  ownerTurnMs: 500,
  /** Between two looks whether buckets changed that an object shard has a copy of. */
  followBucketsMs: 1000,
  /**
   * Renames between two shards: into one, or out of one, that may be under way; pieces of an object that is renamed so; how long a key is held before the owner
   * of its shard looks what became of its rename, and how long a rename may be prepared before it is given up; between two looks.
   */
  renames: 4096,
  renamePieces: 1000,
  renameHoldMs: 10_000,
  renamePrepareMs: 3_600_000,
  renameLookMs: 1000,
  /** Renames that a thread remembers to be done, so that a read finds them so after they were forgotten. */
  renamesKnown: 65_536,
  /** Entries that a node may be behind and still be left a shard. */
  yieldEntries: 1000,
  /** The owner of the system shard looks this often whether object shards came into use, and every so many times which buckets need more. */
  useShardsMs: 1000,
  /** Between two looks of a node whether the cluster is to have further object shards, which it opens. */
  openShardsMs: 500,
  growBucketsTurns: 60,
  /** Versions in each of its shards beyond which a bucket gets twice as many shards, if there are so many. */
  keysPerShard: 5_000_000,
  /** Object shards of a new cluster (docs/decisions/0013-object-shards.md says why no more). */
  objectShardsAtFirst: 1,
  /** An ownership lives so long without a sign of its owner. */
  etcdLeaseSeconds: 3,
  /** An owner that hears nothing from etcd gives up so much later than its lease ends: the leader that is elected meanwhile prolongs it. */
  etcdLeaseGraceMs: 1500,
  /** A node looks this often which members etcd has, and as owner of the shard whether the one on its machine leads. */
  etcdMembersMs: 5000,
  /** The quota of a member's database when nobody says otherwise. */
  etcdQuotaBytes: 2 * GiB,
  /** Proposals with an id whose answers are remembered, so that one that is sent again is not made again. */
  requests: 32_768,
  /** Copies by default in a cluster, where there are as many nodes. */
  clusterCopies: 3,
  /** Addresses of etcd that a node is told of. */
  etcdEndpoints: 16,
  /**
   * Proposals of a node that does not own the shard: the time for one try, for all tries, and the first and longest rest between two, ms. After
   * losing the shard, or failing to lead it, a node wants it again after a rest.
   */
  proposeTryMs: 5000,
  proposeMs: 15_000,
  proposeRetryMs: 20,
  proposeRetryMaxMs: 250,
  /** How often a node looks whether what it asked of the owner is to be asked of another one. */
  ownerLookMs: 100,
  /** Two refusals of the owner's address at least so far apart say that its process is gone; a node ends one ownership in so long at most, ms. */
  refusedForMs: 50,
  deposeEveryMs: 10_000,
  campaignRetryMs: 500,
  /**
   * Owners that are lost without a word: a node is silent when it did not answer for so long, which is looked at this often, and not counted over a time
   * in which the process that counts stood still itself for longer than the last.
   */
  silentOwnerMs: 3000,
  detectMs: 250,
  stoodStillMs: 500,
  /** Calls about fragments of another node's device, ms; a write there includes its sync. Writes open at the same time, and how long one may rest. */
  fragmentCallMs: 15_000,
  fragmentHandles: 4096,
  /**
   * A device refused a fragment because its node knows a newer placement map: looks at the map until this node knows it too, the rest between two,
   * ms, and times that a stripe is placed anew.
   */
  staleMapLooks: 20,
  staleMapRestMs: 100,
  staleMapTries: 4,
  fragmentHandleMs: 60_000,
  /** Nodes ask each other how they are this often, and wait this long for the answer; a node that is silent for longer than the last is passed over when garbage is collected. */
  nodeStateMs: 1000,
  nodeStateDeadlineMs: 2000,
  nodeAwayMs: 60_000,
  /** Who asks which groups hold stripes waits so long for a look through all of them, and is told what the last one found when it ended so long ago at most. */
  usedGroupsWaitMs: 500,
  usedGroupsAgeMs: 10_000,
  /** How often it is noted when the log engine was last heard from, and which nodes were removed. */
  heardMs: 250,
  /** A step of a node's start is tried again for so long, after such a rest, while etcd or the other nodes do not answer. */
  nodeOpenMs: 120_000,
  nodeOpenRetryMs: 500,
  /** So often a node opens whose state the log went on without meanwhile. */
  nodeOpenings: 3,
  /** Taking the state of another node: in all, between two tries, and between two words about it, ms. */
  installMs: 10 * 60_000,
  installRetryMs: 1000,
  installToldMs: 2000,
  /** How often certificates for an etcd of the operator's are read anew, and a node without a member looks whether it should run one. */
  etcdFilesMs: 60_000,
  etcdGrowMs: 10_000,
  /** Making room for a member of etcd, with the tries that it takes. */
  planMemberMs: 90_000,
  /** The same failure of a link is told once in this time, ms; and failures that are remembered for that. */
  seldomMs: 60_000,
  seldomTexts: 256,
  /** The leader looks this often whether nodes or devices have changed. */
  layoutMs: 500,
  /**
   * Evening out: between two looks of the leader, members moved by one plan, and for how long a node may have to write for it; how old what is known of
   * the sizes of groups may be, and the time for a node to tell.
   */
  rebalanceMs: 2000,
  rebalanceBatch: 64,
  rebalanceBatchMs: 30_000,
  holdingsAgeMs: 10 * 60_000,
  holdingsMs: 5 * 60_000,
  /** Longest wait until a replica has what a read asks for; and the silence of the log engine from which on what it gives is marked as old. */
  freshMs: 5000,
  staleMs: 3000,
  /** A read of another node is asked for elsewhere too not before the first and not later than the second; so many such reads may be saved up. */
  hedgeFloorMs: 10,
  hedgeCeilingMs: 1000,
  hedgesSaved: 16,
  /** Links between nodes: payload of one frame; what a call carries as arguments or results (what is larger goes into its body); its method. */
  linkFrameBytes: 64 * KiB,
  linkHeadBytes: 48 * KiB,
  linkMethodBytes: 64,
  /** The first frame of a link, the list of protocol versions in it, and the list of features. */
  linkHelloBytes: 4 * KiB,
  linkVersions: 16,
  linkFeatures: 64,
  /** Body of one call or answer, and one piece of a stream. */
  linkBodyBytes: 36 * MiB,
  linkPieceBytes: 8 * MiB,
  /** Bytes of a body or stream that are sent before its receiver asked for more. */
  linkWindowBytes: 512 * KiB,
  /** Calls under way on one link, and links of one listener. */
  linkCalls: 1024,
  links: 1024,
  /** Bytes handed to the socket that it has not taken yet; answers that wait for it, before the link reads no more calls. */
  linkWriteBytes: 256 * KiB,
  linkQueueBytes: 4 * MiB,
  /** Small pieces up to this size, and runs of them, are copied into one: cheaper than giving each to the socket. */
  linkGatherBytes: 16 * KiB,
  /**
   * What one thread receives: first windows of the bodies of calls, what is beyond those, first windows of answers, and what is beyond those. Each has so
   * much, since a call that is served may wait for the answer to another.
   */
  linkPoolBytes: 64 * MiB,
  /** Connecting, with the TLS handshake and the negotiation. */
  linkConnectMs: 5000,
  /** Between two signs of life that a side sends, and the silence after which a link counts as dead. */
  linkPingMs: 2000,
  linkDeadMs: 6000,
  /** Pause before a link is tried again, doubled each time up to the longest; half of it is drawn at random. */
  linkRetryMs: 100,
  linkRetryMostMs: 5000,
  /** Time for calls under way to finish when a listener closes. */
  linkDrainMs: 5000,
  /** Longest deadline of a call; a later one counts as this. */
  linkDeadlineMs: 24 * 3600 * 1000,
  /** Connections of nodes that want to join: at the same time, in a minute, and how long one may last. */
  joinLinks: 8,
  joinsPerMinute: 60,
  joinMs: 10_000,
  /** How long certificates of authorities and nodes are valid, and how long before they were made. */
  authorityValidMs: 3650 * 24 * 3600 * 1000,
  certificateValidMs: 30 * 24 * 3600 * 1000,
  certificateEarlyMs: 3600 * 1000,
  /** Between two looks whether a node's certificate is due; it is after two thirds of its life. */
  certificateCheckMs: 600_000,
  /** How often the threads that serve look whether the owner's thread has another certificate or trusts others; and that one whether the authority changes. */
  identityReadMs: 2000,
  authorityMs: 1000,
  /** Authorities that a node trusts at the same time, and bytes of the file of its identity. */
  authorities: 8,
  /** Rows that one entry seals anew under another master key. */
  resealTogether: 64,
  /** Certificate and sealed key of an authority. */
  authorityBytes: 4 * KiB,
  nodeIdentityBytes: 64 * KiB,
  /** How long an invitation is good when nothing else is said, and how many are open at the same time. */
  invitationMs: 3600 * 1000,
  invitations: 256,
  /** Addresses in one of them. */
  invitationAddresses: 3,
  /** What a node that joins sends, and what it is given. */
  joinRequestBytes: 4 * KiB,
  joinPayloadBytes: 256 * KiB,
} as const;
