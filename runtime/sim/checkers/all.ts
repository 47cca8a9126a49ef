// Every checker, for one run. The order is that of calls: the committed log first, because the others look at it.
import type { Crypto } from '../../../protocols/crypto/crypto.ts'
import { CommittedWrites, type NodeKeys } from '../committed-writes.ts'
import type { History } from '../history.ts'
import type { Checker, CommittedLog, World } from '../world.ts'
import { committedLogChecker } from './committed-log.ts'
import { configurationsChecker } from './configurations.ts'
import { durabilityChecker } from './durability.ts'
import { leadersChecker } from './leaders.ts'
import { ledgersChecker } from './ledgers.ts'
import { logMatchingChecker } from './log-matching.ts'
import { logsChecker } from './logs.ts'
import { messagesChecker } from './messages.ts'
import { quorumChecker } from './quorum.ts'
import { readsChecker } from './reads.ts'
import { receiptsChecker } from './receipts.ts'
import { serialisabilityChecker } from './serialisability.ts'
import { statesChecker } from './states.ts'
import { statusesChecker } from './statuses.ts'

export interface Evidence {
  readonly world: World
  readonly committed: CommittedLog
  readonly history: History
  readonly crypto: Crypto
  readonly ledgerSecret: Uint8Array
  readonly encryptionKeyOf: NodeKeys
  readonly serviceCertificatePem: string
  readonly nameOf: (nodeId: string) => string
}

export function allCheckers(evidence: Evidence): readonly Checker[] {
  const { world, committed, history, crypto, ledgerSecret } = evidence
  const writes = new CommittedWrites(crypto, ledgerSecret, evidence.encryptionKeyOf)
  const others: Checker[] = [
    quorumChecker(world),
    leadersChecker(world),
    logsChecker(world),
    logMatchingChecker(world),
    configurationsChecker(world),
    messagesChecker(world),
    durabilityChecker(world),
    ledgersChecker(world),
    statesChecker(world, crypto),
    // It adds to `writes`, which reads are compared with.
    serialisabilityChecker(world, history, writes),
    readsChecker(world, writes),
    statusesChecker(world, history, evidence.nameOf),
    receiptsChecker(world, crypto, evidence.serviceCertificatePem),
  ]
  const grown: Required<Checker>['onCommit'] = (node, from, before) => {
    for (const checker of others) checker.onCommit?.(node, from, before)
  }
  return [committedLogChecker(world, committed, grown), ...others]
}
