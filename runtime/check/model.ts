// What a model is to the checker: places (nodes, or parts of one) with local states, messages between them, and what may happen at a place by
// itself. All behaviour is that of real actors; the checker knows none of them.
// The rule to remember: `act` and `receive` are pure, and two states with one key behave alike in everything.

/** How messages travel. Lossy: FIFO per link, any message may be lost. Duplicating: a message may arrive at any time, any number of times. */
export const NETWORKS = ['fifo', 'unordered', 'lossy', 'duplicating'] as const
export type NetworkKind = (typeof NETWORKS)[number]

/** Something that may happen at a place without a message. */
export interface Action {
  /** Unique among the actions of a state, such as `timeout`. */
  readonly name: string
  /** Index into the model's budgets: the action costs one of it. */
  readonly budget?: number
  /** For what a timer repeats for ever. */
  readonly pacedBy?: Pace
  /** True: it makes its place contend, and only so many may at a time (see `Contention`). */
  readonly contends?: boolean
}

/**
 * Keeps queues from growing without bound: the action happens only while, on each link of its place, fewer than `inFlightMax` messages it
 * sends, or answers to them, are under way.
 */
export interface Pace {
  readonly sent: string
  readonly answer: string
}

export interface Sent<M> {
  readonly to: number
  readonly message: M
}

export interface Outcome<S, M> {
  readonly state: S
  readonly sends: readonly Sent<M>[]
  /** Names of the chart edges taken. */
  readonly edges: readonly string[]
  /** A sentence, if the step itself was wrong. */
  readonly violation?: string | undefined
}

/** A property of single states, of steps, or of all places together. `broken` says what is wrong, or undefined. */
export interface Property<Args extends readonly unknown[]> {
  readonly name: string
  readonly broken: (...args: Args) => string | undefined
}

/** Renames places: place i becomes `to[i]`. */
export type Permutation = readonly number[]

export interface Symmetry<S, M> {
  /** Equal for states that differ in the names of places only. Cheap; need not be exact. */
  readonly shape: (state: S) => string
  readonly rename: (state: S, permutation: Permutation) => S
  readonly renameMessage: (message: M, permutation: Permutation) => M
}

/** Bounds how many places compete at a time: for model-checking only, the actors know nothing of it. */
export interface Contention<S> {
  readonly max: number
  readonly isContending: (state: S) => boolean
}

export interface Crashes<S> {
  /** Places that may crash in one run. */
  readonly max: number
  /** False where a crash would leave no majority. `alive` is the set after the crash. */
  readonly isSurvivable: (states: readonly S[], alive: readonly boolean[]) => boolean
}

export interface Model<S, M> {
  readonly name: string
  /** Names of the places. */
  readonly places: readonly string[]
  readonly network: NetworkKind
  readonly inFlightMax: number
  readonly budgets: readonly { readonly name: string; readonly limit: number }[]
  readonly initial: readonly S[]
  /** Must tell places apart where they differ: what may happen is remembered by it. */
  readonly stateKey: (state: S) => string
  readonly messageKey: (message: M) => string
  /** What a state roughly looks like: directed search starts again from worlds that look new. */
  readonly look: (state: S) => string
  /**
   * 0: sender and receiver are as when it was sent, as far as it matters. 1 to 3: they have moved on; more, if it may do more harm now.
   * Directed search takes note of it.
   */
  readonly staleness: (message: M, sender: S, receiver: S) => number
  /** What `pacedBy` names. */
  readonly kindOf: (message: M) => string
  /** For people: `AppendEntries(4,6]@2`. */
  readonly describe: (message: M) => string
  readonly actions: (state: S, place: number) => readonly Action[]
  readonly act: (state: S, place: number, action: Action) => Outcome<S, M>
  readonly receive: (state: S, place: number, from: number, message: M) => Outcome<S, M>
  /** Beyond the bounds of the search: such a state is checked, and not left any more. */
  readonly isBeyond: (state: S) => boolean
  readonly symmetry?: Symmetry<S, M>
  readonly contention?: Contention<S>
  readonly crashes?: Crashes<S>
  /** Always. */
  readonly stateProperties: readonly Property<[state: S]>[]
  readonly stepProperties: readonly Property<[before: S, after: S]>[]
  readonly worldProperties: readonly Property<[states: readonly S[]]>[]
  /** Sometimes: what a search must come across, or it proves little. */
  readonly goals: readonly { readonly name: string; readonly isReached: (states: readonly S[]) => boolean }[]
  /**
   * No dead end: with every message lost and no more faults, some fair continuation of the living places gets on. Asked once for each
   * combination of local states.
   */
  readonly getsOn?: (states: readonly S[], alive: readonly boolean[]) => boolean
  /** All edges of the charts, as `Outcome.edges` names them. */
  readonly edges: readonly string[]
}

export type AnyModel = Model<unknown, unknown>

/** Forgets the types: the checker hands states and messages back to the model that made them. */
export const eraseModel = <S, M>(model: Model<S, M>): AnyModel => model as unknown as AnyModel
