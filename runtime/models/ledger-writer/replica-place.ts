// The ledger writer's client, reduced to its contract: proposals, cuts and commits in any order that a replica may send, and what it believes of
// the answers. The rule to remember: an answer of an earlier epoch speaks of entries that were cut, and is not believed (actors/replica).
import type { LogRecord, RecordKind } from '../../../protocols/consensus/log.ts'
import type { LedgerWriterNotice } from '../../../protocols/consensus/messages.ts'
import { FIRST_VIEW } from '../../../protocols/ids.ts'
import type { Action, Outcome } from '../../check/model.ts'
import { WRITER, type LedgerMessage, type LocalState, type ReplicaPlace } from './state.ts'

export const BUDGETS = ['appends', 'cuts', 'commits', 'failures'] as const
export const budgetOf = (name: (typeof BUDGETS)[number]): number => BUDGETS.indexOf(name)

/** Batches: `t` a transaction, `s` a signature. Entries may follow the signature of their batch. */
const BATCHES = ['t', 's', 'ts', 'st'] as const
const KINDS: Readonly<Record<string, RecordKind>> = { t: 'transaction', s: 'signature' }
const ENTRY = new Uint8Array(1)

export const NEW_REPLICA: ReplicaPlace = {
  place: 'replica',
  log: [],
  epoch: 0,
  durableIdx: 0,
  commitIdx: 0,
  isHalted: false,
  asked: 0,
}

type Step = Outcome<LocalState, LedgerMessage>

export function actions({ log, commitIdx, isHalted }: ReplicaPlace): Action[] {
  if (isHalted) return []
  // What others have agreed upon may be committed before it is durable here.
  const committable = log.filter(({ kind, seqno }) => kind === 'signature' && seqno > commitIdx)
  const cuts = Array.from({ length: log.length - commitIdx }, (_, i) => commitIdx + i)
  return [
    ...BATCHES.map((batch) => ({ name: `append ${batch}`, budget: budgetOf('appends') })),
    ...cuts.map((after) => ({ name: `cut ${after}`, budget: budgetOf('cuts') })),
    ...committable.map(({ seqno }) => ({ name: `commit ${seqno}`, budget: budgetOf('commits') })),
  ]
}

export function act(state: ReplicaPlace, action: string): Step {
  const [verb, what = ''] = action.split(' ')
  switch (verb) {
    case 'append': {
      const { epoch } = state
      // After a cut, a newer view: that is why it was cut.
      const records = Array.from(what, (letter, i): LogRecord => {
        const seqno = state.log.length + 1 + i
        return { seqno, view: FIRST_VIEW + epoch, kind: KINDS[letter]!, bytes: ENTRY }
      })
      return ask({ ...state, log: [...state.log, ...records] }, { type: 'appendRecords', epoch, records })
    }
    case 'cut': {
      const seqno = Number(what)
      const epoch = state.epoch + 1
      const durableIdx = Math.min(state.durableIdx, seqno)
      const cut = { ...state, log: state.log.slice(0, seqno), epoch, durableIdx }
      return ask(cut, { type: 'truncateAfter', epoch, seqno })
    }
    case 'commit':
      return ask({ ...state, commitIdx: Number(what) }, { type: 'commitUpTo', seqno: Number(what) })
    default:
      throw new RangeError(`no action '${action}'`)
  }
}

const ask = (state: ReplicaPlace, message: LedgerMessage): Step => ({
  state: { ...state, asked: state.asked + 1 },
  sends: [{ to: WRITER, message }],
  edges: [],
})

export function receive(state: ReplicaPlace, message: LedgerMessage): Step {
  const still = { state, sends: [], edges: [] }
  const notice = message as LedgerWriterNotice
  if (notice.type === 'ledgerBroken') {
    return { ...still, state: { ...state, isHalted: true }, violation: state.isHalted ? TWICE : undefined }
  }
  if (state.isHalted || notice.epoch !== state.epoch || notice.seqno <= state.durableIdx) return still
  return { ...still, state: { ...state, durableIdx: notice.seqno } }
}

const TWICE = 'broken is told once: it was told again'
