// The commands of CCF's raft scenario files, and ours, as data (scenario-dsl.md). Not their text: syntax.ts. Not what they do: models/scenario.
// The rule to remember: one kind of command for one effect; deprecated spellings and shorthands become the kind they mean.

/** Where entries go: the leader of that view, or of the highest one. */
export type LeaderOf = number | 'latest'

/** How nodes created afterwards behave where the protocol leaves it open: as CCF's test driver, or as ours do in production. */
export const PROFILES = ['ccf', 'production'] as const
export type Profile = (typeof PROFILES)[number]

export type Timer = 'electionTimeout' | 'heartbeatTimeout' | 'quorumTimeout'

type NodesCommand =
  /** For nodes created afterwards. */
  | { readonly do: 'setPreVote'; readonly enabled: boolean }
  | { readonly do: 'setProfile'; readonly profile: Profile }
  | { readonly do: 'startNode'; readonly node: string }
  | { readonly do: 'trustNodes'; readonly leaderOf: LeaderOf; readonly nodes: readonly string[] }
  | {
      readonly do: 'swapNodes'
      readonly leaderOf: LeaderOf
      readonly incoming: readonly string[]
      readonly outgoing: readonly string[]
    }
  | { readonly do: 'cleanupNodes'; readonly leaderOf: LeaderOf; readonly nodes: readonly string[] }
  | { readonly do: 'createNodes'; readonly nodes: readonly string[] }
  | { readonly do: 'createNode'; readonly node: string }
  | {
      readonly do: 'replicateConfiguration'
      readonly leaderOf: LeaderOf
      readonly nodes: readonly string[]
      /** True: unknown nodes are created connected to all others. */
      readonly connected: boolean
    }
  | { readonly do: 'nominateSuccessor'; readonly node: string }
  | { readonly do: 'crash'; readonly node: string }

type EntriesCommand =
  | { readonly do: 'replicate'; readonly leaderOf: LeaderOf; readonly text: string }
  | { readonly do: 'emitSignature'; readonly leaderOf: LeaderOf }

type NetworkCommand =
  | { readonly do: 'connect'; readonly pair: Pair }
  | { readonly do: 'disconnect'; readonly pair: Pair }
  | { readonly do: 'connectNode'; readonly node: string }
  | { readonly do: 'disconnectNode'; readonly node: string }
  | { readonly do: 'dropPending'; readonly from: string }
  | { readonly do: 'dropPendingTo'; readonly pair: Pair }
  | { readonly do: 'dropSingle'; readonly pair: Pair }
  /** Undefined: every node. */
  | { readonly do: 'shuffle'; readonly node: string | undefined }
  | { readonly do: 'carryEntries'; readonly enabled: boolean }

type DeliveryCommand =
  /** The message with that index (from 0) among those of the pair. */
  | { readonly do: 'dispatchSingle'; readonly pair: Pair; readonly nth: number }
  | { readonly do: 'duplicateSingle'; readonly pair: Pair; readonly nth: number }
  | { readonly do: 'dispatchOne'; readonly from: string }
  | { readonly do: 'dispatchAllOnce' }
  | { readonly do: 'dispatchAll' }

type TimeCommand =
  /** Undefined: every node. */
  | { readonly do: 'periodic'; readonly node: string | undefined; readonly ms: number }
  | { readonly do: 'fire'; readonly node: string; readonly timer: Timer }

type PrintCommand =
  | { readonly do: 'printState'; readonly node: string | undefined }
  | { readonly do: 'printLog'; readonly node: string | undefined }
  | { readonly do: 'printMessages'; readonly pair: Pair }

type AssertCommand =
  | { readonly do: 'assertSync' }
  | { readonly do: 'assertCommitIdx'; readonly node: string; readonly idx: number }
  | {
      readonly do: 'assertDetail'
      readonly node: string
      readonly key: string
      readonly value: string
      readonly equal: boolean
    }
  | { readonly do: 'assertConfig'; readonly node: string; readonly idx: number; readonly nodes: readonly string[] }
  | { readonly do: 'assertNoConfig'; readonly node: string; readonly idx: number }
  | { readonly do: 'assertLastTxId'; readonly node: string; readonly txId: string }
  | { readonly do: 'assertCommitSafety'; readonly node: string }
  | { readonly do: 'loopUntilSync' }

export type Command =
  NodesCommand | EntriesCommand | NetworkCommand | DeliveryCommand | TimeCommand | PrintCommand | AssertCommand

/** A directed pair: from the first to the second. Commands about connections mean both directions. */
export type Pair = readonly [from: string, to: string]

export interface ScenarioLine {
  /** Physical line of the file, from 1. */
  readonly line: number
  /** Without comment and trailing blanks. */
  readonly text: string
  readonly command: Command
}

/** Commands that change nothing: after all others, commit safety is checked (scenario-dsl.md, "File syntax"). */
const QUIET: readonly Command['do'][] = ['printState', 'printLog', 'assertSync', 'assertCommitIdx']

export const isQuiet = (command: Command): boolean => QUIET.includes(command.do)
