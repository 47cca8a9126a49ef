// Models small enough to count by hand: what the engine says about them is known beforehand. No actors here.
// The rule to remember: every number a test asserts about a toy is derived in a comment, not copied from a run.
import type { Action, Model, NetworkKind, Outcome, Property, Symmetry } from '../../runtime/check/model.ts'

/** A state that knows its place, as every model's must: what may happen is remembered by the state alone. */
export interface At<S> {
  readonly place: number
  readonly s: S
}
type Toy<S> = Model<At<S>, string>

/** What differs from one toy to another, of states without their places. */
interface Parts<S> extends Partial<Pick<Toy<S>, 'network' | 'inFlightMax' | 'budgets' | 'crashes'>> {
  readonly actions: (s: S, place: number) => readonly Action[]
  readonly act: (s: S, place: number, action: Action) => Outcome<S, string>
  readonly receive: (s: S, place: number, from: number, message: string) => Outcome<S, string>
  readonly isBeyond?: (s: S) => boolean
  readonly isContending?: (s: S) => boolean
  readonly contendersMax?: number
  readonly symmetry?: Symmetry<S, string>
  readonly stateProperties?: readonly Property<[S]>[]
  readonly stepProperties?: readonly Property<[S, S]>[]
  readonly worldProperties?: readonly Property<[readonly S[]]>[]
  readonly goal?: (states: readonly S[]) => boolean
  readonly getsOn?: (states: readonly S[]) => boolean
}

/** Lets a property of bare states speak of states with places. */
const on =
  <S, R>(ask: (s: S) => R) =>
  ({ s }: At<S>): R =>
    ask(s)
const bare = <S>(states: readonly At<S>[]): S[] => states.map(({ s }) => s)

/** A model with nothing in it, to be filled in. States and messages are compared as JSON. */
export function toy<S>(initial: readonly S[], parts: Parts<S>): Toy<S> {
  const { isBeyond = () => false, isContending, symmetry, getsOn, crashes } = parts
  const placed = (place: number, { state, ...rest }: Outcome<S, string>): Outcome<At<S>, string> => ({
    ...rest,
    state: { place, s: state },
  })
  return {
    name: 'toy',
    places: initial.map((_, i) => `p${i}`),
    network: parts.network ?? 'fifo',
    inFlightMax: parts.inFlightMax ?? 1,
    budgets: parts.budgets ?? [],
    initial: initial.map((s, place) => ({ place, s })),
    stateKey: (state) => JSON.stringify(state),
    messageKey: (message) => message,
    look: (state) => JSON.stringify(state),
    staleness: () => 0,
    kindOf: (message) => message.split(' ')[0]!,
    describe: (message) => message,
    actions: ({ s }, place) => parts.actions(s, place),
    act: ({ s }, place, action) => placed(place, parts.act(s, place, action)),
    receive: ({ s }, place, from, message) => placed(place, parts.receive(s, place, from, message)),
    isBeyond: on(isBeyond),
    stateProperties: (parts.stateProperties ?? []).map(({ name, broken }) => ({ name, broken: on(broken) })),
    stepProperties: (parts.stepProperties ?? []).map(({ name, broken }) => ({
      name,
      broken: (before, after) => broken(before.s, after.s),
    })),
    worldProperties: (parts.worldProperties ?? []).map(({ name, broken }) => ({
      name,
      broken: (states) => broken(bare(states)),
    })),
    goals: [{ name: 'goal', isReached: (states) => parts.goal?.(bare(states)) ?? false }],
    edges: [],
    ...(crashes === undefined ? {} : { crashes }),
    ...(isContending === undefined
      ? {}
      : { contention: { max: parts.contendersMax ?? 1, isContending: on(isContending) } }),
    ...(getsOn === undefined ? {} : { getsOn: (states) => getsOn(bare(states)) }),
    ...(symmetry === undefined
      ? {}
      : {
          symmetry: {
            shape: on(symmetry.shape),
            rename: ({ place, s }, to) => ({ place: to[place]!, s: symmetry.rename(s, to) }),
            renameMessage: symmetry.renameMessage,
          },
        }),
  }
}

export const outcome = <S>(state: S, ...sends: readonly { readonly to: number; readonly message: string }[]) =>
  ({ state, sends, edges: [] }) satisfies Outcome<S, string>

/** No messages. */
export const silent = <S>(state: S): Outcome<S, string> => outcome(state)

/** One place counts to `to`, and may hum without effect; more than `allowed` is wrong. */
export const counter = (to: number, allowed: number, parts: Partial<Parts<number>> = {}): Toy<number> =>
  toy([0], {
    actions: (n) => [...(n < to ? [{ name: 'count' }] : []), { name: 'hum' }],
    act: (n, _place, { name }) => outcome(name === 'count' ? n + 1 : n),
    receive: silent,
    stateProperties: [{ name: 'small', broken: (n) => (n <= allowed ? undefined : `${n} is more than ${allowed}`) }],
    goal: ([n]) => n === 2,
    ...parts,
  })

/** Each place has a bit that it may set once. */
export const bits = (places: number, symmetric: boolean, parts: Partial<Parts<number>> = {}): Toy<number> =>
  toy(new Array<number>(places).fill(0), {
    actions: (bit) => (bit === 0 ? [{ name: 'set' }] : []),
    act: () => outcome(1),
    receive: silent,
    ...(symmetric
      ? { symmetry: { shape: String, rename: (bit: number) => bit, renameMessage: (message: string) => message } }
      : {}),
    ...parts,
  })

/** A place: its own number, and whom it has heard of, by number. Names are in the states and in the messages, so symmetry must rename both. */
export interface Gossip {
  readonly self: number
  readonly told: boolean
  readonly heard: readonly number[]
}

/** Each place may tell the others its name, once. Wrong: one has heard of all others. */
export const gossip = (places: number, symmetric: boolean, parts: Partial<Parts<Gossip>> = {}): Toy<Gossip> => {
  const others = (self: number): number[] => Array.from({ length: places }, (_, i) => i).filter((i) => i !== self)
  const sorted = (names: readonly number[]): number[] => [...new Set(names)].sort((a, b) => a - b)
  return toy(
    others(-1).map((self): Gossip => ({ self, told: false, heard: [] })),
    {
      actions: ({ told }) => (told ? [] : [{ name: 'tell' }]),
      act: (state) =>
        outcome(
          { ...state, told: true },
          ...others(state.self).map((to) => ({ to, message: `name ${String(state.self)}` })),
        ),
      receive: (state, _place, _from, message) =>
        outcome({ ...state, heard: sorted([...state.heard, Number(message.split(' ')[1])]) }),
      worldProperties: [
        {
          name: 'ignorance',
          broken: (states) =>
            states.some(({ heard }) => heard.length === places - 1) ? 'somebody has heard of everybody' : undefined,
        },
      ],
      ...(symmetric
        ? {
            symmetry: {
              shape: ({ told, heard }) => `${String(told)} ${heard.length}`,
              rename: ({ self, told, heard }, to) => ({
                self: to[self]!,
                told,
                heard: sorted(heard.map((i) => to[i]!)),
              }),
              renameMessage: (message, to) => `name ${to[Number(message.split(' ')[1])]!}`,
            },
          }
        : {}),
      ...parts,
    },
  )
}

/** What a place of the mutex is doing. The lock's own state is `free` or `taken`. */
export type Mutex = 'idle' | 'waiting' | 'inside' | 'free' | 'taken'
const LOCK = 2

/**
 * Two clients and a lock. Broken: the lock is taken only when the client says that it is inside, so both may be let in:
 * ask, ask, two askings delivered, two grants delivered: 6 events, and none can be left out.
 */
export const mutex = (broken: boolean): Toy<Mutex> =>
  toy<Mutex>(['idle', 'idle', 'free'], {
    actions: (state) => (state === 'idle' ? [{ name: 'ask' }] : state === 'inside' ? [{ name: 'leave' }] : []),
    act: (_state, _place, { name }) =>
      name === 'ask'
        ? outcome<Mutex>('waiting', { to: LOCK, message: 'ask' })
        : outcome<Mutex>('idle', { to: LOCK, message: 'free' }),
    receive: (state, place, from, message) => {
      if (place !== LOCK) {
        if (message === 'refused') return outcome<Mutex>('idle')
        return broken ? outcome<Mutex>('inside', { to: LOCK, message: 'inside' }) : outcome<Mutex>('inside')
      }
      if (message === 'inside') return outcome<Mutex>('taken')
      if (message === 'free') return outcome<Mutex>('free')
      if (state === 'taken') return outcome<Mutex>('taken', { to: from, message: 'refused' })
      return outcome<Mutex>(broken ? 'free' : 'taken', { to: from, message: 'granted' })
    },
    worldProperties: [
      {
        name: 'mutual exclusion',
        broken: (states) => (states.filter((state) => state === 'inside').length > 1 ? 'both are inside' : undefined),
      },
    ],
    goal: (states) => states.includes('inside'),
  })

/** One place sends 1, 2 and 3 at once; the other writes down what arrives, up to 3 of them. */
export const letters = (network: NetworkKind, parts: Partial<Parts<string>> = {}): Toy<string> =>
  toy(['', ''], {
    network,
    actions: (state, place) => (place === 0 && state === '' ? [{ name: 'post' }] : []),
    act: () => outcome('sent', ...['1', '2', '3'].map((message) => ({ to: 1, message }))),
    receive: (state, _place, _from, message) => outcome(state + message),
    isBeyond: (state) => state !== 'sent' && state.length >= 3,
    ...parts,
  })
