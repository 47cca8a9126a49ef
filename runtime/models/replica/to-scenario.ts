// A run of the replica model as a scenario file (`concordat scenario FILE`): so that a counterexample becomes a regression test.
// The nodes of such a file behave as in production; its world begins as the model's does.
import type { ConsensusMessage } from '../../../protocols/consensus/messages.ts'
import { FIRST_VIEW } from '../../../protocols/ids.ts'
import { Space, type Event } from '../../check/space.ts'
import { isSameEvent, line, tell, type Told } from '../../check/events.ts'
import { eraseModel, type Model } from '../../check/model.ts'
import { idOf, type LocalState } from './local-state.ts'
import type { ReplicaModelOptions } from './model.ts'

/** As in `begin` of the model: the members have committed everything. */
function beginning({ members, preVote }: ReplicaModelOptions): string[] {
  const nodes = Array.from({ length: members }, (_, place) => idOf(place))
  const settle = Array<string[]>(4).fill(['dispatch_all', 'heartbeat,0']).flat()
  return [
    'profile,production',
    `pre_vote_enabled,${preVote}`,
    'carry_entries,true',
    'start_node,0',
    'emit_signature,2',
    ...(members > 1 ? [`replicate_configuration,2,${nodes.join()}`, 'emit_signature,2'] : []),
    ...settle,
    'dispatch_all',
  ]
}

function command({ event, nth, from, to }: Told, view: number): string {
  switch (event.kind) {
    case 'act':
      return actCommand(event.name, from, view)
    case 'crash':
      return `crash,${from}`
    case 'drop':
      return `drop_single,${from},${to}`
    case 'duplicate':
      return nth === 0 ? `duplicate_single,${from},${to}` : `duplicate_nth,${from},${to},${nth}`
    case 'deliver':
      return nth === 0 ? `dispatch_single,${from},${to}` : `deliver_nth,${from},${to},${nth}`
  }
}

function actCommand(action: string, node: string, view: number): string {
  const [name, nodes = ''] = action.split(' ')
  switch (name) {
    case 'request':
      return `replicate,${view},request`
    case 'sign':
      return `emit_signature,${view}`
    case 'reconfigure':
      return `replicate_configuration,${view},${nodes}`
    case 'finish':
      return `cleanup_nodes,${view},${nodes}`
    case 'checkQuorum':
      return `check_quorum,${node}`
    case 'handOver':
      return `nominate_successor,${node}`
    case 'timeout':
    case 'heartbeat':
      return `${name},${node}`
    default:
      throw new RangeError(`scenario files have no command for '${action}'`)
  }
}

/** The whole file. `title` becomes its first comment. @throws RangeError if an event cannot happen */
export function toScenario(
  model: Model<LocalState, ConsensusMessage>,
  options: ReplicaModelOptions,
  events: readonly Event[],
  title: string,
): string {
  const space = new Space(eraseModel(model))
  let world = space.initial()
  const lines: string[] = []
  for (const told of tell(space, events)) {
    const { event } = told
    const view =
      event.kind === 'act' ? (space.states.value(world[event.place]!) as LocalState).s.currentView : FIRST_VIEW
    lines.push(`${command(told, view)} # ${line(told)}`)
    let after: Int32Array | undefined
    space.successors(world, world.length, (candidate, scratch, length) => {
      if (after === undefined && isSameEvent(candidate, event)) after = scratch.slice(0, length)
    })
    world = after!
  }
  return [`# ${title}`, ...beginning(options), '', ...lines, ''].join('\n')
}
