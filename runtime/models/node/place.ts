// A modelled node: the real replica, the real ledger writer and a disk on which an fsync ends at any later moment, in any order, or fails.
// The rule to remember: what is compared leaves out only what can never matter again.
import type { AnyStateMachine } from 'xstate'
import { erase, splitAddress, type Address, type AnyActorDefinition } from '../../../actors/actor.ts'
import {
  ledgerWriter,
  ledgerWriterMachine,
  type LedgerWriterState,
} from '../../../actors/ledger-writer/ledger-writer.ts'
import type { MachineState } from '../../../actors/machine.ts'
import { replica, replicaMachine } from '../../../actors/replica/replica.ts'
import type { ConsensusMessage, LedgerWriterNotice } from '../../../protocols/consensus/messages.ts'
import type { NodeId } from '../../../protocols/ids.ts'
import type { Outcome, Permutation, Sent } from '../../check/model.ts'
import { diskKey, emptyDisk, endFlush, fail, type Disk, type Flush, type Post } from '../ledger-writer/disk.ts'
import { failed, runActors } from '../ledger-writer/host.ts'
import { eventOf } from '../replica/events.ts'
import * as replicas from '../replica/local-state.ts'

type ReplicaLocal = replicas.LocalState

export interface NodePlace {
  readonly replica: ReplicaLocal
  readonly writer: MachineState<LedgerWriterState>
  readonly disk: Disk
}

/** The definitions of a node's actors; tests put broken ones here. */
export interface NodeActors {
  readonly replica: AnyActorDefinition
  readonly writer: AnyActorDefinition
}
export const REAL_ACTORS: NodeActors = { replica: erase(replica), writer: erase(ledgerWriter) }

export const machines: { readonly replica: AnyStateMachine; readonly writer: AnyStateMachine } = {
  replica: replicaMachine,
  writer: ledgerWriterMachine,
}

const WRITER: Address = 'ledger-writer'
const REPLICA: Address = 'replica'

type Step = Outcome<NodePlace, ConsensusMessage>

/** A node whose log is all on its disk. */
export function settled(local: ReplicaLocal): NodePlace {
  const entries = local.s.log.toArray().map(({ record }) => record)
  const committed = local.s.commitIdx
  return {
    replica: local,
    writer: { value: 'writing', s: { written: entries.length, committed } },
    disk: { ...emptyDisk, entries, durable: entries.length, committed },
  }
}

export function act(place: NodePlace, action: string, actors: NodeActors): Step {
  const { disk } = place
  const [verb, number] = action.split(' ')
  switch (verb) {
    case 'fsync': {
      const nth = Number(number)
      return run({ ...place, disk: endFlush(disk, nth) }, disk.flushes[nth]!.then, actors)
    }
    case 'fsyncFails': {
      const failure = fail(disk)
      const posts = Array.from({ length: failure.failures }, () => failed(WRITER))
      return run({ ...place, disk: failure.disk }, posts, actors)
    }
    case 'nextWriteFails':
      return run({ ...place, disk: { ...disk, failsAfter: 0 } }, [], actors)
    default: {
      const { event, from, at } = eventOf(place.replica, action)
      return run(place, [{ from, to: REPLICA, message: event }], actors, at)
    }
  }
}

export const receive = (place: NodePlace, from: number, message: ConsensusMessage, actors: NodeActors): Step =>
  run(place, [{ from: `replica@${replicas.idOf(from)}`, to: REPLICA, message }], actors)

function run(before: NodePlace, first: readonly Post[], actors: NodeActors, at = 0): Step {
  let place = before
  const sends: Sent<ConsensusMessage>[] = []
  const edges: string[] = []
  for (let posts = first; posts.length > 0;) {
    const ran = runActors(
      {
        [REPLICA]: { definition: actors.replica, machine: machines.replica, state: place.replica },
        [WRITER]: { definition: actors.writer, machine: machines.writer, state: place.writer },
      },
      place.disk,
      posts,
      [],
      at,
    )
    place = {
      replica: ran.states[REPLICA] as ReplicaLocal,
      writer: ran.states[WRITER] as NodePlace['writer'],
      disk: ran.disk,
    }
    edges.push(...ran.edges)
    posts = ran.out.filter(({ to }) => to === WRITER)
    for (const { to, message } of ran.out) {
      const { node } = splitAddress(to)
      if (node !== undefined) sends.push({ to: replicas.placeOf(node as NodeId), message: message as ConsensusMessage })
    }
  }
  return { state: normalised(place), sends, edges }
}

/** Epochs are told from the current one only. Flushes of cut entries stay: that their end is ignored is the replica's doing. */
function normalised({ replica: local, writer, disk }: NodePlace): NodePlace {
  const { epoch } = local.s
  const flushes = disk.flushes.map(({ upTo, then }): Flush => ({
    upTo,
    then: then.map((post) => renumber(post, epoch)),
  }))
  return { replica: replicas.normalised(local), writer, disk: { ...disk, flushes } }
}

const CURRENT = 0
const EARLIER = -1

function renumber(post: Post, epoch: number): Post {
  const notice = post.message as LedgerWriterNotice
  if (notice.type !== 'durable') return post
  const message: LedgerWriterNotice = { ...notice, epoch: notice.epoch === epoch ? CURRENT : EARLIER }
  return { ...post, message }
}

export const stateKey = ({ replica: local, writer, disk }: NodePlace): string =>
  `${replicas.stateKey(local)} ${writer.value} ${writer.s.written} ${writer.s.committed} ${diskKey(disk)}`

export const look = ({ replica: local, disk }: NodePlace): string =>
  `${replicas.look(local)} ${disk.durable} ${disk.flushes.length} ${disk.failure}`

export const shape = ({ replica: local, disk }: NodePlace): string =>
  `${replicas.shape(local)} ${disk.durable} ${disk.flushes.length} ${disk.failure}`

export const rename = ({ replica: local, writer, disk }: NodePlace, permutation: Permutation): NodePlace => ({
  replica: replicas.rename(local, permutation),
  writer,
  disk: { ...disk, entries: disk.entries.map((record) => replicas.renameRecord(record, permutation)) },
})
