// Mutants of client sessions: replayed frames, nonces, and the session rule (actors/session, protocols/session, CCF facts §2).
// Looked at: while the executor compares the view itself, as it does, `late-view-ignored` changes nothing that anyone can see: a batch that carries
// a view is executed in that view or not at all, and one without a view is alone. It is the second lock on that door, so its hunt opens the
// first (`--unchecked 1`).
import { check, type Mutant } from './mutant.ts'

/** One client that asks twice, while leadership changes once. */
const TWO_VIEWS =
  '--network fifo --client honest --requests 2 --in-flight 2 --elections 1 --receipts 0 --refusals 0 --unknowns 0 --pings 0 --endings 0 --closes false'
const CHANGING = check('session', `${TWO_VIEWS} --unchecked 0`)
const UNCHECKED = check('session', `${TWO_VIEWS} --unchecked 1`)
const REPEATING = check(
  'session',
  '--network duplicating --client honest --requests 1 --in-flight 1 --elections 0 --receipts 0 --refusals 0 --unknowns 0 --unchecked 0 --pings 0 --endings 0 --closes false',
)
const requests = 'actors/session/requests.ts'

export const SESSION_MUTANTS: readonly Mutant[] = [
  {
    id: 'replay-executed',
    title: 'a frame that comes again is taken again: its requests are executed twice',
    kind: 'safety',
    file: 'protocols/session/frame.ts',
    find: 'window: markAccepted(state.window, counter)',
    replace: 'window: state.window',
    hunts: [REPEATING],
  },
  {
    id: 'nonce-repeated',
    title: 'every frame of the node is sealed with the same nonce, which gives the key away',
    kind: 'safety',
    file: 'actors/session/outbox.ts',
    find: 'keys: { ...s.keys, send: sending }',
    replace: 'keys: s.keys',
    hunts: [CHANGING],
  },
  {
    id: 'probe-not-awaited',
    title: 'two batches are sent before the view of the session is known, and executed in two views (CCF facts §2)',
    kind: 'safety',
    file: requests,
    find: 'if (s.activeView === 0 && s.probing > 0) return',
    replace: 'if (s.activeView < 0) return',
    hunts: [CHANGING],
  },
  {
    id: 'view-not-carried',
    title: 'batches do not carry the view of their session, so that the executor cannot compare it (CCF facts §2)',
    kind: 'safety',
    file: requests,
    find: 'token: nextToken, caller, activeView, publicOnly: false',
    replace: 'token: nextToken, caller, activeView: 0, publicOnly: false',
    hunts: [CHANGING],
  },
  {
    id: 'late-view-ignored',
    title: 'what was executed in another view is answered as if nothing had happened',
    kind: 'safety',
    file: requests,
    find: 'if (executedView !== 0 && s.activeView !== 0 && executedView !== s.activeView) return true\n',
    replace: '',
    hunts: [UNCHECKED],
  },
  {
    id: 'lost-consistency-survived',
    title: 'a session goes on after its client was told that consistency is lost (CCF closes the connection, facts §2)',
    kind: 'safety',
    file: requests,
    find: 'return responses.some(saysConsistencyLost)',
    replace: 'return false',
    hunts: [CHANGING],
  },
  {
    id: 'waiting-forgotten',
    title: 'requests that wait for the view of the session are never executed when the first batch was refused',
    kind: 'liveness',
    file: requests,
    find: 'answered.waiting.length > 0 && (activeView > 0 || probing === 0)',
    replace: 'answered.waiting.length > 0 && activeView > 0',
    hunts: [
      check(
        'session',
        '--network fifo --client honest --requests 2 --in-flight 2 --elections 0 --receipts 0 --refusals 1 --unknowns 0 --unchecked 0 --pings 0 --endings 0 --closes false',
      ),
    ],
  },
]
