// Mutants of consensus, in the order of consensus.md.
import type { Mutant } from './mutant.ts'
import { ELECTION_MUTANTS } from './replica-elections.ts'
import { LOG_MUTANTS } from './replica-log.ts'
import { MEMBERSHIP_MUTANTS } from './replica-membership.ts'

export const REPLICA_MUTANTS: readonly Mutant[] = [...ELECTION_MUTANTS, ...LOG_MUTANTS, ...MEMBERSHIP_MUTANTS]
