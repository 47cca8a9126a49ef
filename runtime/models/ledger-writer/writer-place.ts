// The real ledger writer, its host and its disk: fsyncs end in any order, writes and fsyncs fail, the power goes at any moment.
// The rule to remember: nothing is decided here; what may happen is listed, and the actor and the kernel do the rest.
import { erase, type AnyActorDefinition } from '../../../actors/actor.ts'
import {
  ledgerWriter,
  ledgerWriterMachine,
  type LedgerWriterState,
} from '../../../actors/ledger-writer/ledger-writer.ts'
import type { AnyStateMachine } from 'xstate'
import type { MachineState } from '../../../actors/machine.ts'
import type { LedgerWriterRequest } from '../../../protocols/consensus/messages.ts'
import type { Action, Outcome, Sent } from '../../check/model.ts'
import { emptyDisk, endFlush, fail, recover, type Post } from './disk.ts'
import { failed, runActors } from './host.ts'
import { budgetOf } from './replica-place.ts'
import { REPLICA, WRITER, type LedgerMessage, type LocalState, type WriterPlace } from './state.ts'

const WRITER_ADDRESS = 'ledger-writer'
/** Its definition; tests put broken ones here. */
export const REAL_WRITER: AnyActorDefinition = erase(ledgerWriter)
export const machine: AnyStateMachine = ledgerWriterMachine

export const NEW_WRITER: WriterPlace = {
  place: 'writer',
  actor: ledgerWriter.start({ committed: 0 }).state,
  disk: emptyDisk,
  handled: 0,
  epoch: 0,
  told: 0,
  recovered: undefined,
}

type Step = Outcome<LocalState, LedgerMessage>

/** What is left of the last entry that was being written counts as torn; recovery takes it for nothing. */
export function actions({ disk, recovered }: WriterPlace): Action[] {
  if (recovered !== undefined) return []
  const kept = Array.from({ length: disk.entries.length - disk.durable + 1 }, (_, i) => disk.durable + i)
  const isSound = disk.failure === 'none' && disk.failsAfter === undefined
  const failures = budgetOf('failures')
  return [
    ...disk.flushes.map((_, nth) => ({ name: `fsync ${nth}` })),
    ...(disk.flushes.length > 0 ? [{ name: 'fsyncFails', budget: failures }] : []),
    ...(isSound ? [0, 1].map((taken) => ({ name: `nextWriteFails ${taken}`, budget: failures })) : []),
    ...kept.map((whole) => ({ name: `crash ${whole}` })),
  ]
}

export function act(state: WriterPlace, action: string): Step {
  const [verb, what] = action.split(' ')
  const { disk } = state
  const number = Number(what)
  switch (verb) {
    case 'fsync':
      return tell({ ...state, disk: endFlush(disk, number) }, disk.flushes[number]!.then)
    case 'fsyncFails': {
      const failure = fail(disk)
      const told = Array.from({ length: failure.failures }, () => failed(WRITER_ADDRESS))
      return tell({ ...state, disk: failure.disk }, told)
    }
    case 'nextWriteFails':
      return tell({ ...state, disk: { ...disk, failsAfter: number } }, [])
    case 'crash':
      return tell({ ...state, recovered: recover(disk, number) }, [])
    default:
      throw new RangeError(`no action '${action}'`)
  }
}

export function receive(
  before: WriterPlace,
  from: number,
  message: LedgerMessage,
  definition: AnyActorDefinition,
): Step {
  const actor = { definition, machine, state: before.actor }
  const post = { from: from === REPLICA ? 'replica' : 'host', to: WRITER_ADDRESS, message }
  const ran = runActors({ [WRITER_ADDRESS]: actor }, before.disk, [post], ['replica'])
  const after: WriterPlace = {
    ...handle(before, message as LedgerWriterRequest),
    actor: ran.states[WRITER_ADDRESS] as MachineState<LedgerWriterState>,
    disk: ran.disk,
  }
  return tell(after, ran.out, ran.edges)
}

/** What was cut need not survive any more. */
function handle(state: WriterPlace, request: LedgerWriterRequest | { readonly type: 'ledgerFailed' }): WriterPlace {
  if (request.type === 'ledgerFailed') return state
  const handled = state.handled + 1
  if (request.type !== 'truncateAfter') return { ...state, handled }
  return { ...state, handled, epoch: request.epoch, told: Math.min(state.told, request.seqno) }
}

/** Sends `posts`; a `durable` of the current epoch is a promise. */
function tell(state: WriterPlace, posts: readonly Post[], edges: readonly string[] = []): Step {
  let { told } = state
  const sends = posts.map(({ to, message }): Sent<LedgerMessage> => {
    const said = message as LedgerMessage
    if (said.type === 'durable' && said.epoch === state.epoch) told = Math.max(told, said.seqno)
    return { to: to === 'replica' ? REPLICA : WRITER, message: said }
  })
  return { state: { ...state, told }, sends, edges }
}
