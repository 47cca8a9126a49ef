// Mutants of the ledger writer: what it tells the replica, and what it asks of the files (actors/ledger-writer, store/README.md).
import { check, type Mutant } from './mutant.ts'

const file = 'actors/ledger-writer/ledger-writer.ts'
const hunts: Mutant['hunts'] = [check('ledger-writer', '--appends 2 --cuts 1 --commits 1 --failures 1')]

export const LEDGER_WRITER_MUTANTS: readonly Mutant[] = [
  {
    id: 'no-fsync',
    title: 'a signature is written without fsync, and called durable',
    kind: 'safety',
    file,
    find: 'flush: signature !== undefined }',
    replace: 'flush: false }',
    hunts,
  },
  {
    id: 'told-before-fsync',
    title: 'the replica is told of durable entries before the write that makes them so',
    kind: 'safety',
    file,
    find: "return step(state, append, tell({ type: 'durable', epoch, seqno: last.seqno }))",
    replace: "return step(state, tell({ type: 'durable', epoch, seqno: last.seqno }), append)",
    hunts,
  },
  {
    id: 'unsigned-told',
    title: 'entries without a signature, which are not waited for, are called durable',
    kind: 'safety',
    file,
    find: 'if (signature === undefined) return step(state, append)\n',
    replace: '',
    hunts,
  },
  {
    id: 'told-too-much',
    title: 'one entry more than was written is called durable',
    kind: 'safety',
    file,
    find: 'epoch, seqno: last.seqno }))',
    replace: 'epoch, seqno: last.seqno + 1 }))',
    hunts,
  },
  {
    id: 'cut-forgotten',
    title: 'a cut is noted and not carried out',
    kind: 'safety',
    file,
    find: "{ type: 'truncate', after: seqno })",
    replace: "{ type: 'truncate', after: s.written })",
    hunts,
  },
  {
    id: 'marked-unsigned',
    title: 'what was written is marked as committed',
    kind: 'safety',
    file,
    find: "{ type: 'markCommitted', seqno })",
    replace: "{ type: 'markCommitted', seqno: s.written })",
    hunts,
  },
  {
    id: 'broken-goes-on',
    title: 'a ledger that failed is written to again',
    kind: 'safety',
    file,
    find: "ledgerFailed: { target: 'broken', actions: 'reportBroken' }",
    replace: "ledgerFailed: { actions: 'reportBroken' }",
    hunts,
  },
]
