// What the ledger writer promises, over the real actor and a disk that keeps no more than its contract says.
// The rule to remember: `durable` is a promise to other nodes, so what it speaks of must survive every crash.
import type { Property } from '../../check/model.ts'
import { entriesKey, recover } from './disk.ts'
import { replicaOf, writerOf, type LocalState, type WriterPlace } from './state.ts'

const ofWriter = (name: string, broken: (writer: WriterPlace) => string | undefined): Property<[LocalState]> => ({
  name,
  broken: (state) => (state.place === 'writer' ? broken(state) : undefined),
})

export const stateProperties: readonly Property<[LocalState]>[] = [
  ofWriter('durable is told only after fsync', ({ told, disk }) =>
    told <= disk.durable ? undefined : `told up to ${told}, a crash may leave ${disk.durable}`,
  ),
  ofWriter('a crash takes nothing signed that was told durable', ({ told, disk, recovered }) => {
    const promised = recover(disk, told).length
    return recovered === undefined || recovered.length >= promised
      ? undefined
      : `told up to ${told}, ${recovered.length} are left`
  }),
  ofWriter('the actor knows where the files end', ({ actor, disk }) =>
    disk.failure !== 'none' || actor.s.written === disk.entries.length
      ? undefined
      : `written ${actor.s.written}, the files end at ${disk.entries.length}`,
  ),
]

export const stepProperties: readonly Property<[LocalState, LocalState]>[] = [
  {
    name: 'broken is terminal',
    broken: (before, after) => {
      if (before.place !== 'writer' || after.place !== 'writer' || before.actor.value !== 'broken') return undefined
      const isSame = entriesKey(before.disk.entries) === entriesKey(after.disk.entries)
      return after.actor.value === 'broken' && isSame ? undefined : 'something is written'
    },
  },
]

export const worldProperties: readonly Property<[readonly LocalState[]]>[] = [
  {
    name: 'what the replica believes durable is',
    broken: (states) => {
      const { log, durableIdx } = replicaOf(states)
      const { disk } = writerOf(states)
      const believed = entriesKey(log.slice(0, durableIdx))
      const durable = entriesKey(disk.entries.slice(0, Math.min(disk.durable, durableIdx)))
      return believed === durable ? undefined : `'${believed}' is believed durable, '${durable}' is`
    },
  },
  {
    name: 'the files are the log',
    broken: (states) => {
      const { log, asked, commitIdx } = replicaOf(states)
      const { disk, handled } = writerOf(states)
      if (asked !== handled || disk.failure !== 'none') return undefined
      const [expected, actual] = [entriesKey(log), entriesKey(disk.entries)]
      if (expected !== actual) return `the log is '${expected}', the files hold '${actual}'`
      return commitIdx === disk.committed ? undefined : `committed ${commitIdx}, marked ${disk.committed}`
    },
  },
]
