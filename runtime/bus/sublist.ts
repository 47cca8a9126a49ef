// Who listens to a subject: a trie of subscriptions with NATS' wildcards and queue groups, shared by the embedded broker
// and the in-process bus. It chooses nothing but the turn within a queue group, and delivers nothing.
// The rule to remember: a Match is a snapshot; whoever delivers from it must check that the subscription is still alive.

export interface Filter {
  readonly subject: string
  readonly queue: string | undefined
}

/** Whose turn it is in a queue group. One per group name, so that rotation survives changes of membership. */
export interface Rotation {
  next: number
  members: number
}

export interface QueueGroup<S> {
  readonly rotation: Rotation
  readonly members: readonly S[]
}

export interface Match<S> {
  readonly plain: readonly S[]
  /** Of each group exactly one member gets the message. */
  readonly groups: readonly QueueGroup<S>[]
}

interface Level<S> {
  readonly literals: Map<string, Level<S>>
  star: Level<S> | undefined
  rest: Level<S> | undefined
  readonly plain: Set<S>
  readonly queues: Map<string, Set<S>>
}

/** Matches kept per generation of the cache; two generations are alive. */
const CACHE_GENERATION_MAX = 2048
/** Replies go to subjects used once: remembering them would only push out what is used again. */
const UNCACHED_PREFIX = '_INBOX.'

const emptyLevel = <S>(): Level<S> => ({
  literals: new Map(),
  star: undefined,
  rest: undefined,
  plain: new Set(),
  queues: new Map(),
})

const isUnused = <S>(level: Level<S>): boolean =>
  level.plain.size === 0 &&
  level.queues.size === 0 &&
  level.literals.size === 0 &&
  level.star === undefined &&
  level.rest === undefined

const isWildcardFilter = (subject: string): boolean => subject.includes('*') || subject.includes('>')

export class Sublist<S extends Filter> {
  readonly #root: Level<S> = emptyLevel()
  readonly #rotations = new Map<string, Rotation>()
  #young = new Map<string, Match<S>>()
  #old = new Map<string, Match<S>>()
  #size = 0
  #version = 0

  /** Changes with every insertion and removal: as long as it stays the same, so does every match. */
  get version(): number {
    return this.#version
  }

  /** Number of subscriptions. */
  get size(): number {
    return this.#size
  }

  /** Adds a subscription whose subject passed `isValidFilter`. */
  insert(subscription: S): void {
    let level = this.#root
    for (const token of subscription.subject.split('.')) level = descendOrCreate(level, token)
    if (subscription.queue === undefined) {
      level.plain.add(subscription)
    } else {
      const members = level.queues.get(subscription.queue)
      if (members === undefined) level.queues.set(subscription.queue, new Set([subscription]))
      else members.add(subscription)
      const rotation = this.#rotations.get(subscription.queue)
      if (rotation === undefined) this.#rotations.set(subscription.queue, { next: 0, members: 1 })
      else rotation.members++
    }
    this.#size++
    this.#forget(subscription.subject)
  }

  /** Removes a subscription inserted before; false if it was not there. */
  remove(subscription: S): boolean {
    const tokens = subscription.subject.split('.')
    const path: Level<S>[] = [this.#root]
    for (const token of tokens) {
      const next = descend(path[path.length - 1]!, token)
      if (next === undefined) return false
      path.push(next)
    }
    if (!this.#detach(path[path.length - 1]!, subscription)) return false
    for (let i = tokens.length - 1; i >= 0 && isUnused(path[i + 1]!); i--) cut(path[i]!, tokens[i]!)
    this.#size--
    this.#forget(subscription.subject)
    return true
  }

  /** Everyone a message on `subject` is for. A subject with an empty token is for nobody (as in nats-server). */
  match(subject: string): Match<S> {
    if (subject.startsWith(UNCACHED_PREFIX)) return this.#walk(subject)
    const cached = this.#young.get(subject)
    if (cached !== undefined) return cached
    const found = this.#old.get(subject) ?? this.#walk(subject)
    if (this.#young.size >= CACHE_GENERATION_MAX) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(subject, found)
    return found
  }

  #detach(level: Level<S>, subscription: S): boolean {
    if (subscription.queue === undefined) return level.plain.delete(subscription)
    const members = level.queues.get(subscription.queue)
    if (members === undefined || !members.delete(subscription)) return false
    if (members.size === 0) level.queues.delete(subscription.queue)
    const rotation = this.#rotations.get(subscription.queue)
    if (rotation !== undefined && --rotation.members === 0) this.#rotations.delete(subscription.queue)
    return true
  }

  #forget(filter: string): void {
    this.#version++
    if (isWildcardFilter(filter)) {
      if (this.#young.size > 0) this.#young = new Map()
      if (this.#old.size > 0) this.#old = new Map()
    } else {
      this.#young.delete(filter)
      this.#old.delete(filter)
    }
  }

  #walk(subject: string): Match<S> {
    const found: Found<S> = { plain: [], queues: undefined }
    collect(this.#root, subject, 0, found)
    if (found.queues === undefined) return { plain: found.plain, groups: NO_GROUPS }
    const groups: QueueGroup<S>[] = []
    for (const [name, members] of found.queues) groups.push({ rotation: this.#rotations.get(name)!, members })
    return { plain: found.plain, groups }
  }
}

function descend<S>(level: Level<S>, token: string): Level<S> | undefined {
  if (token === '*') return level.star
  if (token === '>') return level.rest
  return level.literals.get(token)
}

function descendOrCreate<S>(level: Level<S>, token: string): Level<S> {
  if (token === '*') return (level.star ??= emptyLevel())
  if (token === '>') return (level.rest ??= emptyLevel())
  const known = level.literals.get(token)
  if (known !== undefined) return known
  const created = emptyLevel<S>()
  level.literals.set(token, created)
  return created
}

function cut<S>(level: Level<S>, token: string): void {
  if (token === '*') level.star = undefined
  else if (token === '>') level.rest = undefined
  else level.literals.delete(token)
}

interface Found<S> {
  readonly plain: S[]
  /** Made only when needed: most subjects have no queue groups. */
  queues: Map<string, S[]> | undefined
}

const NO_GROUPS: readonly never[] = []

function take<S>(level: Level<S>, found: Found<S>): void {
  for (const subscription of level.plain) found.plain.push(subscription)
  if (level.queues.size === 0) return
  const queues = (found.queues ??= new Map<string, S[]>())
  for (const [name, members] of level.queues) {
    const known = queues.get(name)
    if (known === undefined) queues.set(name, [...members])
    else known.push(...members)
  }
}

/** Adds to `found` everyone below `level` who listens to the tokens of `subject` from `from` on. */
function collect<S>(level: Level<S>, subject: string, from: number, found: Found<S>): void {
  const dot = subject.indexOf('.', from)
  const end = dot < 0 ? subject.length : dot
  if (end === from) return
  const next = level.literals.get(subject.slice(from, end))
  if (level.rest !== undefined && isWholeRest(subject, end)) take(level.rest, found)
  if (dot < 0) {
    if (level.star !== undefined) take(level.star, found)
    if (next !== undefined) take(next, found)
    return
  }
  if (level.star !== undefined) collect(level.star, subject, end + 1, found)
  if (next !== undefined) collect(next, subject, end + 1, found)
}

/** The tokens after `end` must not be empty for `>` to match them. */
const isWholeRest = (subject: string, end: number): boolean =>
  end === subject.length || (subject.charCodeAt(subject.length - 1) !== 46 && !subject.includes('..', end))
