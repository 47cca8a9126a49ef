// Mutants of reconfiguration and retirement (consensus.md §11, §19).
import { check, own, sim, type Mutant } from './mutant.ts'
import { REMOVAL } from './worlds.ts'

const file = 'actors/replica/membership.ts'

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  {
    id: 'finished-early',
    title: 'a node is finished as soon as its removal is committed (§11)',
    kind: 'safety',
    file,
    find: "state = { ...state, membership: 'RetirementCompleted' }",
    replace: "state = { ...state, membership: 'RetiredCommitted' }",
    hunts: [check('replica', REMOVAL), own('b6_premature_retirement')],
  },
  {
    id: 'B6',
    title: 'a removed node is shut down before every future leader knows of its removal (§19 B6)',
    kind: 'liveness',
    file: 'actors/node/retiring.ts',
    find: "membershipOf(envelope) === 'RetiredCommitted'",
    replace: "['RetirementCompleted', 'RetiredCommitted'].includes(membershipOf(envelope))",
    hunts: [sim('--seed 1 --runs 90 --nodes 2 --steps 1500 --faults reconfiguration,one-way')],
  },
  {
    id: 'pending-configuration-dropped',
    title: 'a configuration that is appended replaces those before it at once (§19)',
    kind: 'safety',
    file,
    find: 'configurations: [...s.configurations, configuration]',
    replace: 'configurations: [configuration]',
    hunts: [check('replica', REMOVAL)],
  },
  {
    id: 'configuration-dropped-early',
    title: 'a configuration is dropped when it is committed itself instead of the next one (§19)',
    kind: 'safety',
    file,
    find: 'configurations[1]!.idx <= idx',
    replace: 'configurations[0]!.idx <= idx',
    hunts: [check('replica', REMOVAL)],
  },
  {
    id: 'configuration-after-cut',
    title: 'a configuration that was cut from the log stays in force (§9)',
    kind: 'safety',
    file: 'actors/replica/log-changes.ts',
    find: 'configurations: s.configurations.filter((c) => c.idx <= idx)',
    replace: 'configurations: s.configurations',
    hunts: [check('replica', REMOVAL)],
  },
  {
    id: 'retirement-after-cut',
    title: 'a removal that was cut from the log is not undone (§9, §11)',
    kind: 'safety',
    file,
    find: 'if (isUncommitted && retirementIdx! > idx) {',
    replace: 'if (isUncommitted && retirementIdx! > idx + 1) {',
    hunts: [check('replica', REMOVAL)],
  },
  {
    id: 'finished-uncommitted',
    title: 'nodes are finished by an entry that is not committed (§11)',
    kind: 'safety',
    file,
    find: 's.retiredCommitted.filter((entry) => entry.idx <= idx)) state',
    replace: 's.retiredCommitted) state',
    hunts: [check('replica', REMOVAL)],
  },
  {
    id: 'stranger-stands',
    title: 'a node whose addition was cut from the log goes on taking part in elections (§11)',
    kind: 'safety',
    file: 'actors/replica/log-changes.ts',
    find: 'state.ticking && (s.config.tickingFromStart || takesPart(state))',
    replace: 'state.ticking',
    // Found by the 1,000 simulations as the seed given, before anyone had thought of it.
    hunts: [sim('--seed 757 --steps 20000'), own('rolled_back_joiner')],
  },
]
