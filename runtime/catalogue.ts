// Every kind of actor, by name: one of the few files that know them.
// Not how they are configured (node.ts). The rule to remember: a kind that is not here runs on no node and is no part of any simulation.
import { erase, type AnyActorDefinition } from '../actors/actor.ts'
import { channel } from '../actors/channel/channel.ts'
import { executor } from '../actors/executor/executor.ts'
import { historian } from '../actors/historian/historian.ts'
import { keeper } from '../actors/keeper/keeper.ts'
import { ledgerWriter } from '../actors/ledger-writer/ledger-writer.ts'
import { node } from '../actors/node/node.ts'
import { replica } from '../actors/replica/replica.ts'
import { rpc } from '../actors/rpc/rpc.ts'
import { session } from '../actors/session/session.ts'
import { snapshotFetcher } from '../actors/snapshot-fetcher/snapshot-fetcher.ts'
import { snapshotter } from '../actors/snapshotter/snapshotter.ts'

/** Every kind of actor a node runs. */
export const catalogue = (): AnyActorDefinition[] => [
  erase(node),
  erase(replica),
  erase(executor),
  erase(historian),
  erase(keeper),
  erase(ledgerWriter),
  erase(snapshotter),
  erase(snapshotFetcher),
  erase(channel),
  erase(session),
  erase(rpc),
]
