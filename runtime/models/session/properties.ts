// What a session promises its client, over the real actor: nothing twice, nothing invented, nothing forgotten, and one view.
// The rule to remember: what was executed and what was said are the executor's own notes, never the session's.
import type { NetworkKind, Property } from '../../check/model.ts'
import { clientOf, nodeOf, repeatsNonce, type ClientPlace, type LocalState, type NodePlace } from './state.ts'

const ofClient = (name: string, broken: (client: ClientPlace) => string | undefined): Property<[LocalState]> => ({
  name,
  broken: (state) => (state.place === 'client' ? broken(state) : undefined),
})

const ofNode = (name: string, broken: (node: NodePlace) => string | undefined): Property<[LocalState]> => ({
  name,
  broken: (state) => (state.place === 'node' ? broken(state) : undefined),
})

/** Nothing waits for the session or for the executor. */
const isIdle = ({ mailbox, executor }: NodePlace): boolean =>
  mailbox.length + executor.queue.length + executor.later.length === 0

const isLost = (answer: string | undefined): boolean => answer?.endsWith('SessionConsistencyLost') === true

export const stateProperties: readonly Property<[LocalState]>[] = [
  ofNode('what a session answers was executed in one view', ({ executor }) =>
    executor.views.length <= 1 ? undefined : `executed in views ${executor.views.join()}`,
  ),
  ofNode('a session that heard of two views is over', ({ viewsHeard, ended }) =>
    viewsHeard.length <= 1 || ended !== undefined ? undefined : `views ${viewsHeard.join()}, and it goes on`,
  ),
  ofClient('a session whose consistency is lost is over', ({ answers, phase }) =>
    phase === 'over' || !answers.some(isLost) ? undefined : 'the client was told so, and goes on',
  ),
  ofNode('a session forgets no request', (node) => {
    if (node.session?.value !== 'open' || !isIdle(node)) return undefined
    const { pending, waiting, outbox } = node.session.s
    const left = outbox.responses.length + outbox.notices.length
    return pending + waiting.length + left === 0
      ? undefined
      : `nobody works on ${pending} pending, ${waiting.length} waiting, ${left} unsent`
  }),
]

const NOTHING_INVENTED: Property<[readonly LocalState[]]> = {
  name: 'nothing is invented',
  broken: (states) => {
    const { answers, commits } = clientOf(states)
    const { said } = nodeOf(states).executor
    const heard = [...answers, ...commits]
    const invented = heard.find((what) => what !== undefined && !said.includes(what))
    return invented === undefined ? undefined : `the client heard '${invented}', which the executor never said`
  },
}

const ONLY_WHAT_WAS_ASKED: Property<[readonly LocalState[]]> = {
  name: 'only what was asked is executed',
  broken: (states) => {
    const { asked } = clientOf(states)
    const more = nodeOf(states).executor.handed.find((id) => id > asked)
    return more === undefined ? undefined : `${more} was not`
  },
}

const DIRECTIONS_APART: Property<[readonly LocalState[]]> = {
  name: 'a key seals once with each nonce',
  broken: (states) =>
    repeatsNonce([...clientOf(states).sealed, ...nodeOf(states).sealed])
      ? 'client and node have used the same'
      : undefined,
}

/** Needs a network that neither loses nor mixes. */
const NOTHING_LOST: Property<[readonly LocalState[]]> = {
  name: 'no request is lost silently',
  broken: (states) => {
    const { phase, sending, receiving, asked, answers } = clientOf(states)
    const node = nodeOf(states)
    const keys = node.session?.s.keys
    if (phase !== 'open' || keys === undefined || !isIdle(node)) return undefined
    const hasArrived = sending!.counter === keys.receive.window.floor && receiving!.window.floor === node.published
    const open = Array.from({ length: asked }, (_, i) => i + 1).filter((id) => answers[id - 1] === undefined)
    return hasArrived && open.length > 0 ? `nothing is under way, and ${open.join()} is not answered` : undefined
  },
}

const IN_ORDER: Property<[readonly LocalState[]]> = {
  name: 'requests are executed in the order in which they were asked',
  broken: (states) => {
    const { handed } = nodeOf(states).executor
    return handed.some((id, i) => i > 0 && id < handed[i - 1]!) ? handed.join() : undefined
  },
}

export const worldProperties = (network: NetworkKind): readonly Property<[readonly LocalState[]]>[] => [
  NOTHING_INVENTED,
  ONLY_WHAT_WAS_ASKED,
  DIRECTIONS_APART,
  ...(network === 'fifo' ? [NOTHING_LOST] : []),
  ...(network === 'fifo' || network === 'lossy' ? [IN_ORDER] : []),
]
