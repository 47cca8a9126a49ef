// What each command does to the world. The work is done by its neighbours; this is the table of contents.
// The rule to remember: an assertion that does not hold says what it found.
import type { Command } from '../../scenario/command.ts'
import { checkCommitSafety, detailOf, discrepancies } from './checks.ts'
import { ScenarioFailure } from './failure.ts'
import { emitSignature, latestLeader, replicateText } from './leaders.ts'
import {
  dispatchAll,
  dispatchAllOnce,
  dispatchQueue,
  dispatchSingle,
  duplicateSingle,
  fire,
  periodic,
} from './network.ts'
import { isRetired, lastTxIdOf, MESSAGE_TIMEOUT_MS, type ScenarioNode } from './node.ts'
import { cleanupNodes, createNodes, replicateConfiguration, startNode, swapNodes, trustNodes } from './nodes.ts'
import { logText, messageText, stateText } from './text.ts'
import type { World } from './world.ts'

/** @throws ScenarioFailure when the command cannot be carried out, or what it asserts is not so */
export function perform(world: World, command: Command, print: (text: string) => void): void {
  // prettier-ignore
  switch (command.do) {
    case 'setPreVote': return void (world.preVoteEnabled = command.enabled)
    case 'setProfile': return void (world.profile = command.profile)
    case 'startNode': return startNode(world, command.node)
    case 'trustNodes': return trustNodes(world, command.leaderOf, command.nodes)
    case 'swapNodes': return swapNodes(world, command)
    case 'cleanupNodes': return cleanupNodes(world, command.leaderOf, command.nodes)
    case 'createNodes': return createNodes(world, command.nodes)
    case 'createNode': return void world.create(command.node)
    case 'replicateConfiguration': return replicateConfiguration(world, command)
    case 'nominateSuccessor': return world.post(world.node(command.node).id, { type: 'proposeSuccessor' })
    case 'crash': return void (world.node(command.node).isCrashed = true)

    case 'replicate': return replicateText(world, command.leaderOf, command.text)
    case 'emitSignature': return emitSignature(world, command.leaderOf)

    case 'connect': return world.connect(command.pair)
    case 'disconnect': return world.disconnect(command.pair)
    case 'connectNode': return forOthers(world, command.node, (other) => world.connect([command.node, other]))
    case 'disconnectNode': return forOthers(world, command.node, (other) => world.disconnect([command.node, other]))
    case 'dropPending': return world.drop(command.from, ({ to }) => world.has(to))
    case 'dropPendingTo': return world.drop(command.pair[0], ({ to }) => to === command.pair[1])
    case 'dropSingle': return dropSingle(world, command)
    case 'shuffle': return forNodes(world, command.node, (node) => world.shuffle(node))
    case 'carryEntries': return void (world.carryEntries = command.enabled)

    case 'dispatchSingle': return dispatchSingle(world, command.pair, command.nth)
    case 'duplicateSingle': return duplicateSingle(world, command.pair, command.nth)
    case 'dispatchOne': return dispatchQueue(world, world.node(command.from))
    case 'dispatchAllOnce': return dispatchAllOnce(world)
    case 'dispatchAll': return dispatchAll(world)

    case 'periodic': return forNodes(world, command.node, (node) => periodic(world, node, command.ms))
    case 'fire': return fire(world, world.node(command.node), command.timer)

    case 'printState': return forNodes(world, command.node, (node) => print(`${node.id}: ${stateText(node.state)}`))
    case 'printLog': return forNodes(world, command.node, (node) => print(`${node.id}: ${logText(node.state)}`))
    case 'printMessages': return printMessages(world, command, print)

    case 'assertSync': return assertSync(world.nodes.filter(({ isCrashed }) => !isCrashed))
    case 'assertCommitIdx':
      return assertSame(world, command.node, 'commit index', ({ state }) => String(state.s.commitIdx), String(command.idx))
    case 'assertLastTxId':
      return assertSame(world, command.node, 'last transaction', ({ state }) => lastTxIdOf(state), command.txId)
    case 'assertDetail': return assertDetail(world, command)
    case 'assertConfig': return assertConfig(world, command)
    case 'assertNoConfig': return assertNoConfig(world, command)
    case 'assertCommitSafety': return checkCommitSafety(world, world.node(command.node))
    case 'loopUntilSync': return loopUntilSync(world)
  }
}

type Of<K extends Command['do']> = Extract<Command, { readonly do: K }>

function forNodes(world: World, id: string | undefined, act: (node: ScenarioNode) => void): void {
  if (id !== undefined) return act(world.node(id))
  for (const node of world.nodes) act(node)
}

function forOthers(world: World, id: string, act: (other: string) => void): void {
  for (const other of world.nodes) if (other.id !== id) act(other.id)
}

function dropSingle(world: World, { pair }: Of<'dropSingle'>): void {
  const first = world.queued(pair, 0)
  if (first !== undefined) world.drop(pair[0], (queued) => queued === first)
}

function printMessages(world: World, { pair: [from, to] }: Of<'printMessages'>, print: (text: string) => void): void {
  const messages = world.node(from).queue.filter((queued) => queued.to === to)
  print(`${from}: ${messages.length} to ${to}: ${messages.map(({ message }) => messageText(message)).join(', ')}`)
}

function assertSame(
  world: World,
  id: string,
  what: string,
  read: (node: ScenarioNode) => string,
  expected: string,
): void {
  const found = read(world.node(id))
  if (found !== expected) throw new ScenarioFailure(`node ${id} has ${what} ${found}, not ${expected}`)
}

function assertDetail(world: World, { node, key, value, equal }: Of<'assertDetail'>): void {
  const found = detailOf(world.node(node), key)
  if ((found === value) === equal) return
  throw new ScenarioFailure(`node ${node} has ${key} ${found}${equal ? `, not ${value}` : ''}`)
}

const setText = (nodes: readonly string[]): string => `{${[...new Set(nodes)].sort().join(', ')}}`

function assertConfig(world: World, { node, idx, nodes }: Of<'assertConfig'>): void {
  const { configurations } = world.node(node).state.s
  const found = configurations.find((configuration) => configuration.idx === idx)
  if (found === undefined) {
    const active = configurations.map((c) => `${setText(c.nodes)} at ${c.idx}`).join(', ')
    throw new ScenarioFailure(`node ${node} has no configuration at ${idx}, only ${active === '' ? 'none' : active}`)
  }
  if (setText(found.nodes) === setText(nodes)) return
  throw new ScenarioFailure(
    `node ${node} has the configuration ${setText(found.nodes)} at ${idx}, not ${setText(nodes)}`,
  )
}

function assertNoConfig(world: World, { node, idx }: Of<'assertNoConfig'>): void {
  const found = world.node(node).state.s.configurations.find((configuration) => configuration.idx === idx)
  if (found !== undefined)
    throw new ScenarioFailure(`node ${node} has the configuration ${setText(found.nodes)} at ${idx}`)
}

function assertSync(nodes: readonly ScenarioNode[]): void {
  const found = discrepancies(nodes)
  if (found.length > 0) throw new ScenarioFailure(`states are not in sync: ${found.join('; ')}`)
}

const SYNC_ROUNDS_MAX = 20

/** A way on exists from here: with the network healed, the nodes that are not retired come to agree. */
export function loopUntilSync(world: World): void {
  const leader = latestLeader(world)
  if (leader === undefined) throw new ScenarioFailure('there is no leader, so nodes cannot come into sync')
  const active = world.nodes.filter((node) => !node.isCrashed && !isRetired(node.state))
  emitSignature(world, leader.state.s.currentView)
  for (const { id } of active) forOthers(world, id, (other) => world.connect([id, other]))
  for (let round = 1; ; round++) {
    periodic(world, leader, MESSAGE_TIMEOUT_MS)
    dispatchAll(world)
    const found = discrepancies(active)
    if (found.length === 0) return
    if (round === SYNC_ROUNDS_MAX) {
      throw new ScenarioFailure(`not in sync after ${SYNC_ROUNDS_MAX} rounds: ${found.join('; ')}`)
    }
  }
}
