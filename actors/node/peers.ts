// Channels to other nodes: one to each that the ledger lists, and to the last few that were removed for good, which may still ask about it.
// Not how a channel works (actors/channel). The rule to remember: a channel proves who is at its end; what that node may have is asked of the ledger.
import type { NodeId } from '../../protocols/ids.ts'
import { REMOVED_PEERS_MAX } from '../../protocols/limits.ts'
import type { NodesChanged } from '../../protocols/requests.ts'
import type { Envelope, Step } from '../actor.ts'
import { splitAddress, step } from '../actor.ts'
import type { Effect } from '../effects.ts'
import type { NodeEvent, NodeState } from './state.ts'

const channelTo = (peer: NodeId): string => `channel/${peer}`

/** A channel to each of them that has none. */
export function connect(s: NodeState, nodes: readonly NodeId[]): Step<NodeState> {
  const { nodeId, configs } = s.config
  const added = nodes.filter((node) => node !== nodeId && !s.peers.includes(node))
  const effects = added.map((peer): Effect => ({
    type: 'startActor',
    address: channelTo(peer),
    kind: 'channel',
    config: configs.channel(peer),
  }))
  return added.length === 0 ? step(s) : step({ ...s, peers: [...s.peers, ...added] }, ...effects)
}

/** What the ledger says now. Of nodes that were removed for good the longest known lose their channels first. */
export function nodesChanged(s: NodeState, { event }: Envelope<NodeEvent>): Step<NodeState> {
  const { nodes, certificatePem } = event as NodesChanged
  const current = (Object.keys(nodes) as NodeId[]).filter((node) => nodes[node] !== 'RetiredCommitted')
  const connected = connect({ ...s, nodes, certificatePem }, current)
  const removed = connected.state.peers.filter((peer) => nodes[peer] === 'RetiredCommitted')
  const forgotten = removed.slice(0, Math.max(0, removed.length - REMOVED_PEERS_MAX))
  const peers = connected.state.peers.filter((peer) => !forgotten.includes(peer))
  return step(
    { ...connected.state, peers },
    ...connected.effects,
    ...forgotten.map((peer): Effect => ({ type: 'stopActor', address: channelTo(peer) })),
  )
}

/** The node at whose end of a channel the message came in; undefined for one of this node's own. */
export const peerOf = (s: NodeState, { from }: Envelope<NodeEvent>): NodeId | undefined => {
  const { node } = splitAddress(from)
  return s.peers.find((peer) => peer === node)
}
