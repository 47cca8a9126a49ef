// Every mutant. A bug that the protocol tolerates is none, and is not here. Looked at and left out for that reason:
// - a candidate that boasts with the end of its log (§19): it was elected with whatever precedes it, by log matching (Raft §5.3);
// - PreVote answers tallied as votes (§19): an answer names its view, and a candidate is never in the view it asked about;
// - sentIdx below matchIdx after a late NACK (§19): an eager leader has sent again before anyone can look;
// - a new primary that does not sign at once: the next transaction makes it sign;
// - a follower that commits before its own disk has it: a majority has.
import { EXECUTOR_MUTANTS } from './executor.ts'
import { LEDGER_WRITER_MUTANTS } from './ledger-writer.ts'
import type { Mutant } from './mutant.ts'
import { REPLICA_MUTANTS } from './replica.ts'
import { SESSION_MUTANTS } from './session.ts'

export const MUTANTS: readonly Mutant[] = [
  ...REPLICA_MUTANTS,
  ...EXECUTOR_MUTANTS,
  ...LEDGER_WRITER_MUTANTS,
  ...SESSION_MUTANTS,
]
